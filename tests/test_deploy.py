"""The compose files and the load balancer's configuration fit each other, the settings and the paths of the service."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[1]
BALANCER = (ROOT / "deploy" / "haproxy.cfg").read_text()
FILES = ("docker-compose.yml", "docker-compose.scale.yml")
GIVEN = {"PROFILES_ADMIN_KEY": "k" * 32, "PROFILES_SECRET": "s"}
SERVICES = ("profiles1", "profiles2", "profiles3")
STORES = ("mongo1", "mongo2", "mongo3")


def composed(name: str) -> dict[str, Any]:
    """Return a compose file with its variables filled in: as given, or by their defaults."""

    def value(found: re.Match[str]) -> str:
        return GIVEN.get(found[1], found[2] or "")

    text = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", value, (ROOT / name).read_text())
    whole: dict[str, Any] = yaml.safe_load(text)
    return whole


@pytest.mark.parametrize("name", FILES)
def test_services_get_settings_that_are_understood(name: str) -> None:
    """Each environment is one that the service starts with, and no secret has a default."""
    served = [one for one in composed(name)["services"].values() if "build" in one]
    assert served
    for one in served:
        settings = Settings.load({key: str(value) for key, value in one["environment"].items()})
        assert settings.mongo_url is not None
        assert settings.admin_key is not None
        assert settings.admin_key.get_secret_value() == GIVEN["PROFILES_ADMIN_KEY"]
    assert set(re.findall(r"\$\{(\w+):\?", (ROOT / name).read_text())) == set(GIVEN)


@pytest.mark.parametrize("name", FILES)
def test_what_is_waited_for_and_mounted_is_there(name: str) -> None:
    """Every dependency is a service with the health that is asked for, every volume and network is declared."""
    whole = composed(name)
    services = whole["services"]
    for one in services.values():
        wanted = one.get("depends_on", {})
        for other in wanted:
            healthy = isinstance(wanted, dict) and wanted[other]["condition"] == "service_healthy"
            assert "healthcheck" in services[other] or not healthy
        assert set(one.get("networks", [])) <= set(whole.get("networks", {}))
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            assert source in whole["volumes"] or (ROOT / source).exists()
        # Nothing is open to the network of the machine.
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))


def test_the_set_is_made_of_those_that_services_look_for() -> None:
    """Three members, the same in the step that makes the set and in the address."""
    services = composed("docker-compose.scale.yml")["services"]
    hosts = [f"{one}:27017" for one in STORES]
    assert re.findall(r'host: "([^"]+)"', services["set-up"]["command"][-1]) == hosts
    for one in SERVICES:
        url = services[one]["environment"]["PROFILES_MONGO_URL"]
        assert url == f"mongodb://{','.join(hosts)}/?replicaSet=profiles&w=majority"
        assert services[one]["environment"]["PROFILES_BROKER_URL"] == "redis://redis:6379/0"
    assert {tuple(services[one]["command"]) for one in STORES} == {tuple(services["mongo1"]["command"])}
    assert len({tuple(services[one]["volumes"]) for one in STORES}) == 3


def test_only_services_reach_the_stores() -> None:
    """They have no password; the balancer is not in their network, which leads nowhere."""
    whole = composed("docker-compose.scale.yml")
    assert whole["networks"]["inside"] == {"internal": True}
    inside = {name for name, one in whole["services"].items() if "inside" in one["networks"]}
    assert inside == {*SERVICES, *STORES, "set-up", "redis"}
    open_ = [name for name, one in whole["services"].items() if "ports" in one]
    assert open_ == ["balancer"]


def test_both_files_start_mongod_alike() -> None:
    """What the one sets for transactions and for dirty pages the other sets as well."""
    one, three = (composed(name)["services"] for name in FILES)
    assert set(one["mongo"]["command"]) <= set(three["mongo1"]["command"])
    assert one["mongo"]["image"] == three["mongo1"]["image"]


def test_the_balancer_knows_each_service_and_asks_whether_it_is_ready() -> None:
    """By the path that the service has for it; live connections are given time."""
    assert re.findall(r"^    server (\w+) (\w+):8000$", BALANCER, re.MULTILINE) == [(one, one) for one in SERVICES]
    assert "option httpchk GET /readyz" in BALANCER
    assert re.search(r"^    timeout tunnel 1h$", BALANCER, re.MULTILINE)
    assert "deny_status 404 if { path /metrics }" in BALANCER
    mounted = composed("docker-compose.scale.yml")["services"]["balancer"]["volumes"]
    assert mounted == ["./deploy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"]
