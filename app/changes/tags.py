"""Which tags a profile has after a wish. Pure; new names get their ids from the scene."""

from app.catalog.checks import Listing
from app.changes.model import Scene


def tags_after(held: list[str], wish: Listing[str] | None, scene: Scene) -> list[str]:
    """Return the ids of the tags; the same list where nothing changes."""
    if wish is None:
        return held
    # What was deleted for the whole account is seen by nobody, and not theirs to take off: its sweep tells of it.
    keep = held if wish.replace is None else [one for one in held if one in scene.catalog.gone]
    known = (scene.catalog.tag(name) for name in wish.remove)
    gone = {tag.id for tag in known if tag}
    added = [scene.tag_id(name) for name in (wish.add if wish.replace is None else wish.replace)]
    result = [tag_id for tag_id in keep if tag_id not in gone]
    result += [tag_id for tag_id in dict.fromkeys(added) if tag_id not in result]
    return held if set(result) == set(held) and wish.replace is None else result
