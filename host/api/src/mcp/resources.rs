//! Things as resources: `things://Noun/id`, with `@ref` for another state.

use super::protocol_error;
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use runtime::{Caller, Object, ThingsWanted, View};
use types::{Fault, FaultKind, Noun, Ref, ThingId, ThingKey};

const SCHEME: &str = "things://";
const MIME_TYPE: &str = "application/json";
/// Resources in one page.
const PAGE: u32 = 50;
/// The longest URI that names a thing: noun, id and ref, each byte percent-encoded.
const URI_BYTES_MAX: usize = 2 << 10;

pub(super) fn templates() -> ListResourceTemplatesResult {
    let of = |uri: &str, name: &str, description: &str| {
        ResourceTemplate::new(uri, name).with_description(description).with_mime_type(MIME_TYPE)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        of("things://{noun}/{id}", "thing", "The newest version of a thing, like things://Startup/acme"),
        of(
            "things://{noun}/{id}@{ref}",
            "thing-at-ref",
            "Another state of it: v12 is a version, ~1 the one before the newest, 2024-01-08 what it was then, else a branch",
        ),
    ])
}

/// Things of all nouns that the caller may read, noun by noun. A cursor names the noun and where in its list to go on.
pub(super) async fn list(
    object: &Object,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let listed = page(object, caller, cursor).await.map_err(|fault| protocol_error(&fault))?;
    let (resources, next_cursor) = listed;
    Ok(ListResourcesResult { next_cursor, ..ListResourcesResult::with_all_items(resources) })
}

async fn page(
    object: &Object,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<(Vec<Resource>, Option<String>), Fault> {
    let nouns = match object.nouns(caller).await {
        Ok(nouns) => nouns,
        // Who may not know which nouns there are is shown none, as with every other thing that may not be read.
        Err(fault) if fault.kind == FaultKind::Forbidden => return Ok((Vec::new(), None)),
        Err(fault) => return Err(fault),
    };
    let mut nouns: Vec<Noun> = nouns.iter().filter_map(|shown| Noun::parse(&shown.def.noun).ok()).collect();
    nouns.retain(|noun| caller.identity.scopes.allow(noun.as_str(), "read"));
    nouns.sort();
    let (from, mut inner) = match cursor.as_deref().map(|cursor| cursor.split_once('/').unwrap_or((cursor, ""))) {
        Some((noun, inner)) => (Some(noun.to_owned()), Some(inner.to_owned()).filter(|inner| !inner.is_empty())),
        None => (None, None),
    };
    let (mut resources, mut left) = (Vec::new(), PAGE);
    for noun in nouns.into_iter().skip_while(|noun| from.as_deref().is_some_and(|from| noun.as_str() < from)) {
        if left == 0 {
            return Ok((resources, Some(noun.as_str().to_owned())));
        }
        let cursor = inner.take().filter(|_| from.as_deref() == Some(noun.as_str()));
        let wanted = ThingsWanted {
            noun: noun.clone(),
            filters: Vec::new(),
            sort: Vec::new(),
            with_deleted: false,
            cursor,
            offset: 0,
            limit: left,
        };
        let listed = object.things(caller, wanted, &View::default()).await?;
        left -= u32::try_from(listed.items.len()).unwrap_or(left).min(left);
        resources.extend(listed.items.iter().map(|shown| {
            let key = shown.row.key.to_string();
            let resource = Resource::new(format!("{SCHEME}{key}"), key).with_mime_type(MIME_TYPE);
            match &shown.row.name {
                Some(name) => resource.with_title(name),
                None => resource,
            }
        }));
        if let Some(next) = listed.next {
            return Ok((resources, Some(format!("{noun}/{next}"))));
        }
    }
    Ok((resources, None))
}

/// One thing.
pub(super) async fn read(object: &Object, caller: &Caller, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let found = async {
        let (noun, id, at) = parse(uri)?;
        let key = ThingKey::new(object.noun_of(&noun, false).await?, id);
        object.thing(caller, &key, &View::of(at)).await
    };
    let shown = found.await.map_err(|fault| protocol_error(&fault))?;
    let text = shown.to_text(object.namespace());
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(MIME_TYPE)]))
}

/// Noun, id and ref of `things://Startup/acme@v3`.
fn parse(uri: &str) -> Result<(String, ThingId, Ref), Fault> {
    let refuse = |why: String| Fault::invalid("URI_INVALID", why);
    let path = uri.strip_prefix(SCHEME).filter(|_| uri.len() <= URI_BYTES_MAX);
    let Some((noun, rest)) = path.and_then(|path| path.split_once('/')) else {
        let shown: String = uri.chars().take(80).collect();
        return Err(refuse(format!("{shown:?} names no resource; write things://Noun/id or things://Noun/id@ref")));
    };
    let (id, at) = rest.split_once('@').map_or((rest, None), |(id, at)| (id, Some(at)));
    let decode = |text: &str| {
        types::percent_decode(text).ok_or_else(|| refuse("the URI is not percent-encoded UTF-8".to_owned()))
    };
    let id = ThingId::parse(&decode(id)?).map_err(|e| refuse(e.to_string()))?;
    let at = match at {
        Some(at) => Ref::parse(&decode(at)?).map_err(|e| refuse(e.to_string()))?,
        None => Ref::Head,
    };
    Ok((decode(noun)?, id, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_thing_and_its_state() {
        let read = |uri: &str| parse(uri).map(|(noun, id, at)| (noun, id.as_str().to_owned(), at.to_string()));
        let of = |noun: &str, id: &str, at: &str| (noun.to_owned(), id.to_owned(), at.to_owned());
        assert_eq!(read("things://Startup/acme").unwrap(), of("Startup", "acme", ""));
        assert_eq!(read("things://Startup/acme@v3").unwrap(), of("Startup", "acme", "v3"));
        assert_eq!(read("things://User/a%40b%2Fc@feature%2Fx").unwrap(), of("User", "a@b/c", "feature/x"));
        for bad in
            ["", "things://", "things://Startup", "https://x/y", "things://A/b@", "things://A/%zz", "things://A/"]
        {
            assert_eq!(parse(bad).unwrap_err().code, "URI_INVALID", "{bad}");
        }
    }
}
