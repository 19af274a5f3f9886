// The GraphiQL page of Customer Profiles.
import "./workers.js";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import "./page.css";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";
import { fetcher } from "./fetcher.js";
import { currentKey, headersText, keepKeyOf, PLACEHOLDER, takeKeyFromAddress } from "./key.js";
import { scrub, storage } from "./storage.js";
import { defaultTabs } from "./tabs.js";

const TYPING_MILLISECONDS = 500;

/** Keeps the typed key for the session, reads the schema with it, and fills it into tabs that still wait for one. */
function KeyKeeper() {
  const { headerEditor, activeTabIndex } = useGraphiQL(({ headerEditor, activeTabIndex }) => ({
    headerEditor,
    activeTabIndex,
  }));
  const { introspect } = useGraphiQLActions();

  useEffect(() => {
    if (currentKey() !== null && headerEditor?.getValue().includes(PLACEHOLDER)) headerEditor.setValue(headersText());
  }, [headerEditor, activeTabIndex]);

  useEffect(() => {
    if (!headerEditor) return undefined;
    let timer;
    const typing = headerEditor.onDidChangeModelContent(() => {
      clearTimeout(timer);
      timer = setTimeout(() => keepKeyOf(headerEditor.getValue()) && introspect(), TYPING_MILLISECONDS);
    });
    return () => {
      clearTimeout(timer);
      typing.dispose();
    };
  }, [headerEditor, introspect]);
  return null;
}

function Page() {
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={defaultTabs()}
      defaultHeaders={headersText()}
      defaultQuery=""
      shouldPersistHeaders={false}
      isHeadersEditorEnabled
      defaultEditorToolsVisibility={currentKey() === null ? "headers" : "variables"}
    >
      <GraphiQL.Logo>Customer Profiles</GraphiQL.Logo>
      <KeyKeeper />
    </GraphiQL>
  );
}

takeKeyFromAddress();
scrub();
createRoot(document.getElementById("graphiql")).render(<Page />);
