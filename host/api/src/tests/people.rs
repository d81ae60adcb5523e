//! People who are asked, over HTTP.

use super::*;
use serde_json::json;

impl Server {
    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &body.to_string()).await
    }

    /// Ann, and a key that speaks for her.
    async fn ann(&self) -> String {
        let put = self.call("PUT", "/api/Human/ann", &json!({ "roles": ["finance"] }).to_string()).await;
        assert_eq!(put.status, 201, "{}", put.text);
        let key = self.post("/api/keys", json!({ "name": "ann", "scopes": [], "as": "Human/ann" })).await;
        assert_eq!((key.status.as_u16(), &key.json()["as"]), (201, &json!("Human/ann")), "{}", key.text);
        key.json()["key"].as_str().unwrap_or_default().to_owned()
    }

    async fn says(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = anonymous("POST", path).header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// With somebody's key.
pub(super) async fn says(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    server.says(key, path, body.clone()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_asked_for_listed_and_decided_once() {
    let server = Server::start().await;
    let ann = server.ann().await;
    let wanted = json!({ "assignee": "role:finance", "id": "exp-1", "type": "expense", "description": "a chair", "amount": 90.5 });
    let made = server.post("/api/approvals", wanted.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!((&shown["status"], &shown["key"], &shown["amount"]), (&json!("pending"), &json!("exp-1"), &json!(90.5)));
    assert_eq!(shown["warnings"][0]["code"], "NO_CHANNELS");
    let path = format!("/api/approvals/{}", shown["id"].as_str().unwrap_or_default());
    assert!(made.header("location").ends_with(&path), "{}", made.header("location"));
    assert_eq!(server.post("/api/approvals", wanted.clone()).await.json()["id"], shown["id"], "the same again");
    let other = json!({ "assignee": "role:finance", "id": "exp-1", "description": "a table" });
    let other = server.post("/api/approvals", other).await;
    assert_eq!((other.status.as_u16(), other.code()), (409, "REQUEST_EXISTS".into()));

    let mine = anonymous("GET", "/api/approvals?status=pending&assignee=me&type=expense&method=approve");
    let mine = mine.header("authorization", format!("Bearer {ann}")).body(Body::empty()).unwrap();
    assert_eq!(server.send(mine).await.json()["data"][0]["id"], shown["id"]);
    assert_eq!(server.get("/api/approvals?type=holiday").await.json()["data"], json!([]));
    assert_eq!(server.get("/api/approvals/exp-1").await.json()["id"], shown["id"]);

    assert_eq!(server.says(&ann, &format!("{path}/comment"), json!({ "text": "which?" })).await.status, 200);
    let refused = server.says(&ann, &format!("{path}/answer"), json!({ "value": "yes" })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "ANSWER_INVALID".into()));
    let decided = server.says(&ann, &format!("{path}/approve"), json!({ "reason": "fine" })).await;
    assert_eq!(decided.status, 200, "{}", decided.text);
    assert_eq!((&decided.json()["status"], &decided.json()["channel"]), (&json!("approved"), &json!("web")));
    let late = server.says(&ann, &format!("{path}/reject"), json!({})).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "REQUEST_DECIDED".into()));
    assert_eq!(late.json()["error"]["details"]["status"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_answers_with_a_handle_until_a_person_has() {
    let server = Server::start().await;
    let ann = server.ann().await;
    for (method, body, value) in [
        ("ask", json!({ "question": "how many?" }), json!("two")),
        ("decide", json!({ "question": "?", "options": [{ "id": "a" }, { "id": "b" }] }), json!("b")),
        ("generate", json!({ "prompt": "a name", "schema": { "type": "string" } }), json!("Acme")),
        ("do", json!({ "task": { "description": "count", "priority": "high" } }), json!({ "n": 2 })),
    ] {
        let asked = server.post(&format!("/api/workers/Human%2Fann/{method}"), body).await;
        assert_eq!(asked.status, 202, "{method}: {}", asked.text);
        let handle = asked.json();
        assert_eq!((&handle["status"], handle.get("choice")), (&json!("pending"), None), "nothing is made up");
        let id = handle["requestId"].as_str().unwrap_or_else(|| panic!("{method}: {handle}")).to_owned();
        let answered = server.says(&ann, &format!("/api/approvals/{id}/answer"), json!({ "value": value })).await;
        assert_eq!(answered.status, 200, "{method}: {}", answered.text);
        assert_eq!(answered.json()["response"], value, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_prefers_to_wait_has_the_answer_itself() {
    let server = Server::start().await;
    let ann = server.ann().await;
    let asking = server.ask("POST", "/api/workers/Human%2Fann/ask", &[("prefer", "wait=30")], r#"{"question":"?"}"#);
    let answering = async {
        loop {
            let list = server.get("/api/approvals?status=pending").await.json();
            if let Some(id) = list["data"][0]["id"].as_str() {
                return server.says(&ann, &format!("/api/approvals/{id}/answer"), json!({ "value": "42" })).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let (asked, answered) = tokio::join!(asking, answering);
    assert_eq!((asked.status.as_u16(), answered.status.as_u16()), (200, 200), "{}", asked.text);
    assert_eq!(asked.json()["text"], "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_or_answered_says_why() {
    let server = Server::start().await;
    let ann = server.ann().await;
    for (path, body, status, code) in [
        ("/api/workers/Human%2Fnobody/ask", json!({ "question": "?" }), 404, "WORKER_NOT_FOUND"),
        ("/api/workers/Robot%2Fx/ask", json!({ "question": "?" }), 404, "NOT_FOUND"),
        ("/api/workers/Human%2Fann/dance", json!({ "question": "?" }), 404, "NOT_FOUND"),
        ("/api/workers/role:pilots/ask", json!({ "question": "?" }), 409, "NO_ASSIGNEE"),
        ("/api/workers/Human%2Fann/ask", json!({ "question": "" }), 422, "QUESTION_EMPTY"),
        (
            "/api/workers/Human%2Fann/decide",
            json!({ "question": "?", "options": [{ "id": "a" }] }),
            422,
            "OPTIONS_INVALID",
        ),
        (
            "/api/workers/Human%2Fann/approve",
            json!({ "request": { "description": "x", "deadline": "2020-01-01T00:00:00Z" } }),
            422,
            "DEADLINE_PAST",
        ),
        ("/api/approvals", json!({ "assignee": "Agent/a", "description": "x" }), 422, "VALIDATION_FAILED"),
        ("/api/approvals", json!({ "assignee": "Human/ann", "description": "x", "colour": 1 }), 422, "REQUEST_INVALID"),
        ("/api/approvals/nothing/approve", json!({}), 404, "REQUEST_NOT_FOUND"),
        ("/api/$self/ask", json!({ "question": "?" }), 404, "WORKER_NOT_FOUND"),
    ] {
        let answer = server.post(path, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{path}: {}", answer.text);
    }
    let stranger = server.says(&ann, "/api/workers/Human%2Fann/ask", json!({ "question": "?" })).await;
    assert_eq!(stranger.status, 403, "her key may not ask");
    let bad = server.call("PUT", "/api/Human/bob", r#"{"channels":[{"type":"pigeon","target":"x"}]}"#).await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    let bad = server.call("PATCH", "/api/Human/ann", r#"{"roles":["a b"]}"#).await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    let role = server.post("/api/keys", json!({ "name": "r", "scopes": [], "as": "role:finance" })).await;
    assert_eq!(role.status, 422);
    let nobody = server.post("/api/keys", json!({ "name": "r", "scopes": [], "as": "Human/nobody" })).await;
    assert_eq!((nobody.status.as_u16(), nobody.code()), (404, "WORKER_NOT_FOUND".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_a_form_answers_with_its_request() {
    let server = Server::start().await;
    let ann = server.ann().await;
    server.test.executor.on("form", |job, _| async move {
        match &job.entry {
            types::exec::Entry::Part(types::exec::Part::Finish { answer }) => completed(&answer.to_value()["response"]),
            _ => completed(&json!({ "prompt": "How many?", "role": "finance" })),
        }
    });
    let root = server.test.root().await.unwrap();
    server.test.deploy(&root, "form", "scripted-human:form").await.unwrap();
    let asked = server.post("/api/actions/form", json!({})).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let handle = asked.json();
    assert_eq!(handle["status"], "pending");
    let request = handle["requestId"].as_str().unwrap_or_default().to_owned();
    let action = handle["actionId"].as_str().unwrap_or_default().to_owned();
    assert_ne!(request, action);
    let path = format!("/api/approvals/{request}/answer");
    assert_eq!(server.says(&ann, &path, json!({ "value": "two" })).await.status, 200);
    assert_eq!(server.says(&ann, &path, json!({ "value": "two" })).await.status, 409);
    for _ in 0..4_000 {
        let row = server.get(&format!("/api/actions-log/{action}")).await.json();
        if row["status"] == "completed" {
            assert_eq!(row["options"]["output"], "two", "{row}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("the function does not end");
}
