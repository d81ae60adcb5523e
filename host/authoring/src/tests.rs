//! Authoring without tool chains: files, messages, templates.
