//! Lists: pages, sorting, filters, and what is refused.

use super::*;

fn ids(answer: &Answer) -> String {
    let ids: Vec<_> =
        answer.json()["data"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect();
    ids.join(" ")
}

/// a to e with n 1 to 5; e is deleted.
async fn filled() -> Server {
    let server = Server::empty().await;
    for (id, body) in [
        ("a", r#"{"id":"a","name":"Zoe","data":{"n":1,"city":"Bonn","at":{"zip":"53111"}}}"#),
        ("b", r#"{"id":"b","name":"Yan","data":{"n":2,"city":"Berlin","assignee":"https://root.test/Service/root"}}"#),
        ("c", r#"{"id":"c","name":"Xi","data":{"n":3,"city":"Bonn","open":true}}"#),
        ("d", r#"{"id":"d","name":"Wu","data":{"n":10,"x_y":"1"}}"#),
        ("e", r#"{"id":"e","data":{"n":5}}"#),
    ] {
        assert_eq!(server.call("POST", "/api/Person", body).await.status, 201, "{id}");
    }
    server.call("DELETE", "/api/Person/e", "").await;
    server
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let server = filled().await;
    let first = server.get("/api/persons?limit=2").await;
    let json = first.json();
    assert_eq!((ids(&first).as_str(), json["total"].as_u64(), json["limit"].as_u64()), ("a b", Some(4), Some(2)));
    assert_eq!(json["offset"], 0);
    assert_eq!(json["data"][0], server.get("/api/Person/a").await.json());
    let next = json["next"].as_str().unwrap().to_owned();
    let second = server.get(&format!("/api/Person?limit=2&cursor={next}")).await;
    assert_eq!((ids(&second).as_str(), second.json().get("next")), ("c d", None));
    let sorted = server.get("/api/Person?limit=3&sort=-n").await;
    assert_eq!(ids(&sorted), "d c b");
    let next = sorted.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(ids(&server.get(&format!("/api/Person?limit=3&sort=-n&cursor={next}")).await), "a");
    assert_eq!(ids(&server.get("/api/Person?offset=3").await), "d");
    let beyond = server.get("/api/Person?offset=4000").await;
    assert_eq!((ids(&beyond).as_str(), beyond.json()["total"].as_u64()), ("", Some(4)));
    assert_eq!(ids(&server.get("/api/Person?includeDeleted=true&sort=n").await), "a b c e d");
    assert_eq!(server.get("/api/Person?fields=n&limit=1").await.json()["data"][0]["data"].to_string(), r#"{"n":1}"#);
    assert_eq!(server.get("/api/Person?shape=flat&limit=1").await.json()["data"][0]["city"], "Bonn");
}

#[tokio::test]
async fn a_list_is_sorted_and_filtered_by_what_things_say() {
    let server = filled().await;
    for (query, expected) in [
        ("sort=name", "d c b a"),
        ("sort=city,-name", "d b a c"),
        ("sort=-updatedAt", "d c b a"),
        ("sort=createdAt", "a b c d"),
        ("sort=-id", "d c b a"),
        ("sort=-version", "d c b a"),
        ("city=Bonn", "a c"),
        ("city_ne=Bonn", "b d"),
        ("n=10", "d"),
        ("n_gt=2", "c d"),
        ("n_gte=2&n_lt=10", "b c"),
        ("min_n=2&max_n=3", "b c"),
        ("n_lte=1", "a"),
        ("city_contains=erl", "b"),
        ("city_startsWith=B", "a b c"),
        ("city_exists=false", "d"),
        ("open=true", "c"),
        ("at.zip=53111", "a"),
        ("data.at.zip=53111", "a"),
        ("id=b", "b"),
        ("name_startsWith=Y", "b"),
        ("x_y=1", "d"),
        ("version_gte=4", "d"),
        ("createdAt_gt=2000-01-01", "a b c d"),
        ("updatedAt_lt=2000-01-01T00:00:00Z", ""),
        ("assignee=me", "b"),
        ("city=%27%29%3B%20DROP%20TABLE%20things", ""),
        ("nothing=1", ""),
    ] {
        let answer = server.get(&format!("/api/Person?{query}")).await;
        assert_eq!(answer.status, 200, "{query} {}", answer.text);
        assert_eq!(ids(&answer), expected, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_list_is_refused() {
    let server = filled().await;
    let many: String = (0..17).map(|n| format!("f{n}=1&")).collect();
    let deep = "a.b.c.d.e.f.g.h.i";
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "offset=-1",
        "offset=1&cursor=aQ",
        "cursor=%21%21",
        "sort=a%22b",
        "sort=a%5Cb",
        "sort=a..b",
        "sort=",
        &format!("sort={deep}"),
        "sort=a,b,c,d,e,f,g,h,i",
        "a%22b=1",
        ".=1",
        &format!("{deep}=1"),
        "n=1&n=2",
        "includeDeleted=maybe",
        "fields=",
        "shape=round",
        "createdAt_gt=yesterday",
        "updatedAt_contains=2",
        "city_exists=perhaps",
        "version=x",
        &many,
    ] {
        assert_eq!(server.get(&format!("/api/Person?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(server.get("/api/unicorns").await.code(), "NOUN_NOT_FOUND");
    assert_eq!(server.get("/api/Unicorn@nobody").await.status, 404);
    assert_eq!(server.get("/api/Person?version=99").await.status, 404);
    assert_eq!(server.call("POST", "/api/unicorns", "{}").await.json()["type"], "Unicorn");
    assert_eq!(server.get("/api/unicorns").await.json()["total"], 1);
    let refused = server.call("DELETE", "/api/Person", "").await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD,POST"));
    let options = server.send(anonymous("OPTIONS", "/api/Person/a").body(Body::empty()).unwrap()).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET,HEAD,PUT,PATCH,DELETE"));
}

#[tokio::test]
async fn a_list_shows_an_earlier_state() {
    let server = filled().await;
    assert_eq!(ids(&server.get("/api/Person?version=2").await), "a b");
    assert_eq!(ids(&server.get("/api/Person@v5").await), "a b c d e");
    assert_eq!(ids(&server.get("/api/Person?at=2000-01-01").await), "");
    assert_eq!(server.get("/api/Person@~1").await.status, 400, "which thing's?");
}
