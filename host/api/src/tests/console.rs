//! The web console: signing in, pages, forms.

use super::people::says;
use super::*;
use crate::Rate;
use serde_json::json;
use std::time::Duration;

const ORIGIN: &str = "http://localhost:8787";

/// A server with Ann, who is signed in.
struct Scene {
    server: Server,
    ann: String,
    cookie: String,
}

impl Server {
    async fn page(&self, cookie: &str, path: &str) -> Answer {
        let request = anonymous("GET", path).header("accept", "text/html").header("cookie", cookie);
        self.send(request.body(Body::empty()).expect("it is one")).await
    }

    /// As a page of the console posts it.
    async fn form(&self, cookie: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        self.form_from(cookie, path, &[("origin", ORIGIN)], form).await
    }

    async fn form_from(&self, cookie: &str, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = anonymous("POST", path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers.iter().chain(&[("cookie", cookie)]) {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).expect("it is one")).await
    }

    async fn sign_in(&self, key: &str) -> String {
        let answer = self.form("", "/console/login", &[("key", key), ("next", "/console/inbox")]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

impl Scene {
    async fn new() -> Self {
        Self::with(&["invocations.read"]).await
    }

    async fn with(scopes: &[&str]) -> Self {
        let server = Server::start().await;
        for name in ["ann", "bob"] {
            let put = server.call("PUT", &format!("/api/Human/{name}"), r#"{"roles":["finance"]}"#).await;
            assert_eq!(put.status, 201, "{}", put.text);
        }
        let ann = json!({ "name": "ann", "scopes": scopes, "as": "Human/ann" });
        let made = server.call("POST", "/api/keys", &ann.to_string()).await.json();
        let ann = made["key"].as_str().expect("a key").to_owned();
        let cookie = server.sign_in(&ann).await;
        Self { server, ann, cookie }
    }

    async fn asked(&self, method: &str, body: Value) -> String {
        let asked = self.server.call("POST", &format!("/api/workers/Human%2Fann/{method}"), &body.to_string()).await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        asked.json()["requestId"].as_str().expect("a request").to_owned()
    }

    async fn page(&self, path: &str) -> Answer {
        self.server.page(&self.cookie, path).await
    }

    async fn form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.server.form(&self.cookie, path, form).await
    }

    async fn status(&self, id: &str) -> Value {
        self.server.get(&format!("/api/approvals/{id}")).await.json()["status"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_has_a_cookie_that_only_this_console_is_sent() {
    let server = Server::start().await;
    let first = server.page("", "/console").await;
    assert_eq!((first.status.as_u16(), first.header("location")), (303, "/console/inbox"));
    let inbox = server.page("", "/console/inbox?show=all").await;
    let login = "/console/login?next=%2Fconsole%2Finbox%3Fshow%3Dall";
    assert_eq!((inbox.status.as_u16(), inbox.header("location")), (303, login));
    let form = server.page("", login).await;
    assert_eq!((form.status.as_u16(), form.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(form.text.contains("name=\"next\" value=\"/console/inbox?show=all\""), "{}", form.text);
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    assert_eq!(form.header("content-security-policy"), policy);
    let rest = ["x-content-type-options", "referrer-policy", "cache-control"].map(|name| form.header(name));
    assert_eq!(rest, ["nosniff", "no-referrer", "no-store"]);

    let entered = server.form("", "/console/login", &[("key", &server.key), ("next", "/console/inbox?show=all")]).await;
    assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/console/inbox?show=all"));
    let (cookie, attributes) = entered.header("set-cookie").split_once("; ").expect("it has attributes");
    assert_eq!(attributes, "Path=/console; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert!(cookie.starts_with("org_ai_console=") && !cookie.contains(&server.key), "{cookie}");
    assert_eq!(server.page(cookie, "/console/inbox?show=all").await.status, 200);

    // At its own host the cookie travels by TLS alone.
    let at_home = Request::post("/console/login").header("host", "root.test").header("origin", "https://root.test");
    let at_home = at_home.header("content-type", "application/x-www-form-urlencoded");
    let at_home = server.send(at_home.body(Body::from(format!("key={}", server.key))).expect("it is one")).await;
    let attributes = "Path=/console; Max-Age=43200; HttpOnly; SameSite=Strict; Secure";
    assert_eq!(at_home.header("set-cookie").split_once("; ").map(|(_, rest)| rest), Some(attributes));

    let left = server.form(cookie, "/console/logout", &[]).await;
    assert_eq!(left.header("set-cookie"), "org_ai_console=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_a_changed_cookie_and_an_old_one_let_nobody_in() {
    let scene = Scene::new().await;
    for key in ["", "nonsense", auth::Key::generate([7; 32]).reveal()] {
        let answer = scene.server.form("", "/console/login", &[("key", key)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (401, ""), "{key}");
        assert!(answer.text.contains("role=\"alert\""));
    }
    let changed = format!("{}AA", &scene.cookie[..scene.cookie.len() - 2]);
    let plain = format!("org_ai_console={}", scene.ann);
    for cookie in [changed.as_str(), plain.as_str(), "org_ai_console=", "other=1"] {
        assert_eq!(scene.server.page(cookie, "/console/inbox").await.status, 303, "{cookie}");
    }
    assert_eq!(scene.page("/console/inbox").await.status, 200);
    let again = anonymous("GET", "/console/inbox").header("hx-request", "true").body(Body::empty()).expect("it is one");
    let again = scene.server.send(again).await;
    assert_eq!((again.status.as_u16(), again.header("hx-redirect")), (401, "/console/login"));
    scene.server.test.clock.advance(Duration::from_secs(12 * 3600));
    assert_eq!(scene.page("/console/inbox").await.status, 303, "after twelve hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_revoked_is_signed_out_at_once() {
    let scene = Scene::new().await;
    let keys = scene.server.get("/api/keys").await.json();
    let ann = keys["data"].as_array().expect("keys").iter().find(|key| key["name"] == "ann").expect("hers").clone();
    let id = ann["id"].as_str().expect("an id");
    assert_eq!(scene.page("/console/inbox").await.status, 200);
    assert!(scene.server.call("DELETE", &format!("/api/keys/{id}"), "").await.status.is_success());
    assert_eq!(scene.page("/console/inbox").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_away_after_signing_in() {
    let server = Server::start().await;
    for next in ["https://evil.example", "//evil.example", "/console/../api", "/\\evil.example", "/api/whoami"] {
        let entered = server.form("", "/console/login", &[("key", &server.key), ("next", next)]).await;
        assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/console/inbox"), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_answer_for_somebody() {
    let scene = Scene::new().await;
    let id = scene.asked("approve", json!({ "request": { "description": "x" } })).await;
    let path = format!("/console/inbox/{id}");
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
        &[("sec-fetch-site", "same-site")],
    ] {
        let form = [("decision", "approve"), ("key", scene.ann.as_str())];
        for path in [path.as_str(), "/console/login", "/console/logout"] {
            let answer = scene.server.form_from(&scene.cookie, path, headers, &form).await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (403, ""), "{path} {headers:?}");
        }
    }
    assert_eq!(scene.status(&id).await, "pending");
    let own = [("sec-fetch-site", "same-origin")];
    let taken = scene.server.form_from(&scene.cookie, &path, &own, &[("decision", "approve")]).await;
    assert_eq!((taken.status.as_u16(), taken.header("location")), (303, path.as_str()));
    assert_eq!(scene.status(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_text_on_every_page() {
    let scene = Scene::with(&["*.*"]).await;
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let request = json!({ "description": evil, "type": evil, "data": { "k": evil } });
    let asked = scene.asked("approve", json!({ "request": request })).await;
    let said = scene.form(&format!("/console/inbox/{asked}"), &[("decision", "comment"), ("text", evil)]).await;
    assert_eq!(said.status, 303, "{}", said.text);
    let schema = json!({ "type": "object", "properties": { "a\"><b": { "title": evil, "enum": [evil] } } });
    let formed = scene.asked("ask", json!({ "question": evil, "schema": schema })).await;
    let (first, second) = (format!("/console/inbox/{asked}"), format!("/console/inbox/{formed}"));
    let filter = "/console/inbox?show=all&type=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let run = format!("/console/runs/{asked}");
    for path in [&first, &second, "/console/inbox", filter, "/console/runs?show=all", &run] {
        let page = scene.page(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        for bad in ["<script>alert", "<img", "a\"><b"] {
            assert!(!page.text.contains(bad), "{path} {bad}: {}", page.text);
        }
    }
    assert!(scene.page(&first).await.text.contains("&#60;script&#62;alert(1)"));
    let filled = [("decision", "answer"), ("answer.a\"><b", evil), ("reason", "</textarea><script>alert(2)")];
    let again = scene.form(&second, &[("decision", "nonsense"), filled[1], filled[2]]).await;
    assert!(again.status == 422 && !again.text.contains("<script>alert"), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_does_not_fit_says_where_and_keeps_what_was_typed() {
    let scene = Scene::new().await;
    let schema = json!({ "type": "object", "required": ["days", "kind"], "properties": {
        "days": { "type": "integer", "minimum": 1 }, "kind": { "enum": ["sick", "holiday"] }, "reason": { "type": "string" },
    } });
    let id = scene.asked("ask", json!({ "question": "How long?", "schema": schema })).await;
    let path = format!("/console/inbox/{id}");
    let page = scene.page(&path).await;
    for part in ["name=\"answer.days\"", "value=\"holiday\"", "name=\"answer.reason\"", "name=\"reason\""] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    for (days, complaint) in [("many", "write a number, like 12 or 3.5"), ("0", "0 is less than the minimum of 1")] {
        let form = [("decision", "answer"), ("answer.days", days), ("answer.kind", "holiday"), ("reason", "sea")];
        let wrong = scene.form(&path, &form).await;
        assert_eq!(wrong.status, 422, "{}", wrong.text);
        let at = format!("id=\"e-answer.days\" role=\"alert\">{complaint}</span>");
        for part in [at.as_str(), &format!("value=\"{days}\""), "value=\"holiday\" checked", ">sea</textarea>"] {
            assert!(wrong.text.contains(part), "{part}: {}", wrong.text);
        }
    }
    assert_eq!(scene.status(&id).await, "pending");
    let form = [("decision", "answer"), ("answer.days", "3"), ("answer.kind", "sick"), ("answer.reason", "flu")];
    assert_eq!(scene.form(&path, &form).await.status, 303);
    let row = scene.server.get(&format!("/api/approvals/{id}")).await.json();
    assert_eq!(row["response"], json!({ "days": 3, "kind": "sick", "reason": "flu" }), "{row}");
    assert_eq!(row["channel"], "web");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_sees_what_was_recorded() {
    let scene = Scene::new().await;
    let id = scene.asked("approve", json!({ "request": { "description": "a chair" } })).await;
    let path = format!("/console/inbox/{id}");
    let decided = format!("/api/approvals/{id}/reject");
    assert_eq!(says(&scene.server, &scene.ann, &decided, &json!({ "reason": "no money" })).await.status, 200);
    let late = scene.form(&path, &[("decision", "approve")]).await;
    assert_eq!(late.status, 409, "{}", late.text);
    for part in ["This was rejected by Human/ann", "the request is rejected already", "no money"] {
        assert!(late.text.contains(part), "{part}: {}", late.text);
    }
    assert!(!late.text.contains("value=\"approve\""), "there is nothing to be decided any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_has_what_waits_for_oneself_and_more_for_who_may() {
    let scene = Scene::new().await;
    let mine = scene.asked("ask", json!({ "question": "For Ann?" })).await;
    let path = "/api/workers/Human%2Fbob/do";
    let task = json!({ "task": { "description": "For Bob" } });
    assert_eq!(scene.server.call("POST", path, &task.to_string()).await.status, 202);
    let inbox = scene.page("/console/inbox").await;
    assert!(inbox.text.contains("For Ann?") && !inbox.text.contains("For Bob"), "{}", inbox.text);
    assert!(inbox.text.contains("Waiting for me (1)") && !inbox.text.contains("All pending"));
    assert_eq!(scene.page("/console/inbox?show=all").await.status, 403);
    assert_eq!(scene.page("/console/inbox?show=everything").await.status, 400);
    assert!(scene.page("/console/inbox?method=do").await.text.contains("Nothing waits for you."));

    let root = scene.server.sign_in(&scene.server.key).await;
    let all = scene.server.page(&root, "/console/inbox?show=all").await;
    assert!(all.text.contains("For Ann?") && all.text.contains("For Bob"), "{}", all.text);
    assert_eq!(
        scene.form(&format!("/console/inbox/{mine}"), &[("decision", "answer"), ("answer", "yes")]).await.status,
        303
    );
    assert!(scene.page("/console/inbox").await.text.contains("Nothing waits for you."));
    assert!(scene.page("/console/inbox?show=done").await.text.contains("For Ann?"));
    let none = scene.page("/console/inbox/00000000-0000-7000-8000-000000000000").await;
    assert!(none.status == 403 && none.text.contains("<h1>"), "who may not look is not told: {}", none.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rows_are_a_page_and_the_next_one_goes_on_behind() {
    let scene = Scene::new().await;
    for n in 0..53 {
        scene.asked("ask", json!({ "question": format!("Question {n:02}?") })).await;
    }
    let first = scene.page("/console/inbox").await.text;
    let next = first.split("id=\"older\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let second = scene.page(&next.expect("there are older").replace("&#38;", "&")).await.text;
    let rows = |page: &str| page.matches("data-row").count();
    assert_eq!((rows(&first), rows(&second), second.contains("id=\"older\"")), (50, 3, false), "{second}");
    for n in 0..53 {
        let question = format!("Question {n:02}?");
        assert!(first.contains(&question) != second.contains(&question), "{question} is on one of them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_taken_on_handed_on_and_completed() {
    let scene = Scene::new().await;
    let id = scene.asked("do", json!({ "task": { "description": "Count the chairs" } })).await;
    let path = format!("/console/inbox/{id}");
    assert_eq!(scene.form(&path, &[("decision", "accept")]).await.status, 303);
    let page = scene.page(&path).await;
    assert!(page.text.contains("<dt>Taken on by</dt><dd>Human/ann</dd>"), "{}", page.text);
    let nobody = scene.form(&path, &[("decision", "delegate"), ("to", "Human/nobody")]).await;
    assert!(nobody.status == 404 && nobody.text.contains("<details open>"), "{}", nobody.text);
    assert_eq!(scene.form(&path, &[("decision", "delegate"), ("to", "bob")]).await.status, 303);
    let page = scene.page(&path).await;
    assert!(page.text.contains("Human/ann handed it on to Human/bob"), "{}", page.text);
    assert_eq!(scene.form(&path, &[("decision", "answer"), ("answer", "twelve")]).await.status, 303);
    assert_eq!(scene.status(&id).await, "answered");
    let page = scene.page(&path).await;
    assert!(
        page.text.contains("This was answered by Human/ann") && !page.text.contains("<form class"),
        "{}",
        page.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_says_who_is_asked_next_and_when() {
    let scene = Scene::new().await;
    let escalation = json!({ "rules": [{ "afterMinutes": 30, "escalateTo": "Human/bob" }] });
    let asked =
        json!({ "request": { "description": "a chair" }, "options": { "timeout": "4h", "escalation": escalation } });
    let id = scene.asked("approve", asked).await;
    let page = scene.page(&format!("/console/inbox/{id}")).await;
    // The clock stands at 12:00.
    for part in ["<time>2024-01-08 12:30:00 UTC</time> Human/bob is asked too", "16:00:00 UTC</time> it expires"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_agent_shows_its_steps_tokens_and_cost() {
    let scene = Scene::new().await;
    let put = scene.server.call("PUT", "/api/agents/scout", r#"{"instructions":"Look."}"#).await;
    assert_eq!(put.status, 200, "{}", put.text);
    scene.server.models.answers(vec![testkit::said("It is sunny.")]);
    let asked = scene.server.call("POST", "/api/workers/Agent%2Fscout/ask", r#"{"question":"Weather?"}"#).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let list = scene.page("/console/runs").await;
    let run = list.text.split("href=\"/console/runs/").nth(1).and_then(|rest| rest.split('"').next());
    let run = run.expect("there is a run").to_owned();
    assert!(list.text.contains("Agent/scout ask"), "{}", list.text);
    let page = scene.page(&format!("/console/runs/{run}")).await;
    for part in ["A model answered", "It is sunny.", "tokens in", "<dt>Models</dt><dd>1 asked"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let stranger = Scene::with(&[]).await;
    assert_eq!(stranger.page("/console/runs").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_for_good_under_an_address_of_their_own() {
    let server = Server::start().await;
    let login = server.page("", "/console/login").await.text;
    for name in ::console::ASSETS {
        let path = login.split('"').find(|part| part.ends_with(&format!("/{name}"))).expect("the page loads it");
        let file = server.page("", path).await;
        assert_eq!((file.status.as_u16(), file.header("cache-control")), (200, "public, max-age=31536000, immutable"));
        let known = anonymous("GET", path).header("if-none-match", file.header("etag"));
        let known = server.send(known.body(Body::empty()).expect("it is one")).await;
        assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
        let old = server.page("", &format!("/console/assets/0000000000000000/{name}")).await;
        assert_eq!((old.status.as_u16(), old.header("cache-control")), (200, "no-cache"));
    }
    assert_eq!(server.page("", "/console/assets/x/none.js").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_when_something_moved() {
    let scene = Scene::with(&[]).await;
    let request = anonymous("GET", "/console/stream").header("cookie", &scene.cookie);
    let response = scene.server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut told = async || {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.expect("in time");
        let frame = frame.expect("it goes on").expect("it is whole").into_data().expect("it is data");
        String::from_utf8(frame.to_vec()).expect("it is text")
    };
    assert_eq!(told().await, "event: changed\ndata: 1\n\n", "what was missed on the way");
    scene.asked("ask", json!({ "question": "?" })).await;
    assert_eq!(told().await, "event: changed\ndata: 1\n\n");
    let stranger = scene.server.page("", "/console/stream").await;
    assert_eq!(stranger.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_to_sign_in_are_counted_as_other_requests() {
    let rate = Rate { requests: 3, per: Duration::from_secs(3600) };
    let server = Server::start_with(|config| config.rate_anonymous = Some(rate)).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(server.form("", "/console/login", &[("key", "nonsense")]).await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
}
