//! The web console in a real browser: by keyboard alone, live, and on a phone.

use crate::browser::{Browser, ENTER, Page, SPACE};
use crate::server::{Server, answer};
use serde_json::{Value, json};

const PHONE: (u32, u32) = (360, 740);

struct Scene {
    server: Server,
    ann: String,
}

impl Scene {
    async fn new() -> anyhow::Result<Self> {
        let server = Server::start()?;
        for (name, roles) in [("ann", json!(["finance"])), ("bob", json!(["finance"]))] {
            let person = json!({ "roles": roles });
            answer(server.request("PUT", &format!("/api/Human/{name}")).json(&person)).await?.expect(201);
        }
        let key = json!({ "name": "ann", "scopes": ["Approval.read", "invocations.read"], "as": "Human/ann" });
        let key = server.post("/api/keys", &key).await?.expect(201).body["key"].clone();
        Ok(Self { server, ann: key.as_str().unwrap_or_default().to_owned() })
    }

    /// Asks Ann; the id of the request.
    async fn ask(&self, method: &str, body: &Value) -> anyhow::Result<String> {
        let asked = self.server.post(&format!("/api/workers/Human%2Fann/{method}"), body).await?.expect(202).body;
        Ok(asked["requestId"].as_str().unwrap_or_default().to_owned())
    }

    async fn status(&self, id: &str) -> anyhow::Result<Value> {
        Ok(self.server.get(&format!("/api/approvals/{id}")).await?.expect(200).body)
    }

    /// By typing the key.
    fn sign_in(&self, browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
        browser.open(page, &format!("{}/console", self.server.url))?;
        browser.until(page, "document.activeElement.id === 'key'")?;
        browser.type_in(page, &self.ann)?;
        browser.press(page, ENTER)?;
        browser.until(page, "location.pathname === '/console/inbox' && document.readyState === 'complete'")
    }
}

fn expense() -> Value {
    let data = json!({ "item": "A chair that can be turned", "supplier": "Chairs & Co <main>", "lines": [1, 2, 3] });
    let escalation = json!({ "rules": [{ "afterMinutes": 60, "escalateTo": "Human/bob" }] });
    json!({
        "request": { "description": "Buy a chair for the new desk?", "type": "expense", "amount": 349.5, "data": data },
        "options": { "timeout": "8h", "escalation": escalation },
    })
}

fn trip() -> Value {
    let schema = json!({
        "type": "object", "required": ["days", "kind", "flexible"],
        "properties": {
            "days": { "type": "integer", "minimum": 1, "title": "How many days?" },
            "kind": { "title": "By what?", "oneOf": [
                { "const": "train", "title": "By train" }, { "const": "plane", "title": "By plane" } ] },
            "flexible": { "type": "boolean", "title": "Can it be moved?" },
            "note": { "type": "string", "title": "Anything else?" },
        },
    });
    json!({ "question": "What do you need for the trip?", "schema": schema })
}

/// Nothing is wider than the screen.
fn fits(browser: &mut Browser, page: &Page) -> anyhow::Result<()> {
    let wide = "[document.documentElement.scrollWidth, innerWidth]";
    let found = browser.ask(page, wide)?;
    let (content, screen) = (found[0].as_u64(), found[1].as_u64());
    let at = browser.ask(page, "location.pathname")?;
    anyhow::ensure!(content.is_some() && content <= screen, "{at} is wider than the screen: {found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_signed_in_for_opened_and_given_by_keyboard_and_another_page_sees_it() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let id = scene.ask("approve", &expense()).await?;
    let (mut browser, mut second) = (Browser::start()?, Browser::start()?);
    let (page, other) = (browser.page()?, second.page()?);
    browser.resize(&page, 1024, 800, false)?;
    scene.sign_in(&mut browser, &page)?;
    browser.picture(&page, "inbox")?;
    scene.sign_in(&mut second, &other)?;
    second.open(&other, &format!("{}/console/inbox/{id}", scene.server.url))?;
    second.until(&other, "document.querySelector('#act button[value=approve]') !== null")?;
    second.ask(&other, "window.neverLoadedAgain = true")?;

    browser.press(&page, ("j", 74, "j"))?;
    browser.until(&page, "document.activeElement.matches('[data-row]')")?;
    browser.press(&page, ENTER)?;
    browser.until(&page, "document.querySelector('h1')?.innerText.startsWith('Buy a chair') === true")?;
    browser.picture(&page, "approval")?;
    browser.tab_to(&page, "at.id === 'reason'")?;
    browser.type_in(&page, "It is needed")?;
    browser.tab_to(&page, "at.value === 'approve'")?;
    browser.press(&page, ENTER)?;
    browser.until(&page, "document.querySelector('#state .badge')?.innerText === 'approved'")?;
    browser.until(&page, "document.body.innerText.includes('This was approved by Human/ann')")?;
    let row = scene.status(&id).await?;
    assert_eq!((&row["status"], &row["answers"][0]["reason"]), (&json!("approved"), &json!("It is needed")));
    browser.picture(&page, "approved")?;

    second.until(&other, "document.querySelector('#state .badge')?.innerText === 'approved'")?;
    second.until(&other, "document.querySelector('#act button') === null")?;
    assert_eq!(second.ask(&other, "window.neverLoadedAgain")?, true, "it was not loaded again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_filled_in_by_keyboard_and_what_does_not_fit_is_said_at_its_field() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let mut browser = Browser::start()?;
    let page = browser.page()?;
    scene.sign_in(&mut browser, &page)?;
    // It comes to a page that is open.
    let id = scene.ask("ask", &trip()).await?;
    browser.until(&page, "document.querySelector('[data-row]') !== null")?;
    browser.tab_to(&page, "at.matches('[data-row]')")?;
    browser.press(&page, ENTER)?;
    browser.until(&page, "document.getElementById('f-answer.days') !== null")?;
    browser.tab_to(&page, "at.id === 'f-answer.days'")?;
    browser.type_in(&page, "0")?;
    browser.tab_to(&page, "at.name === 'answer.kind'")?;
    browser.press(&page, SPACE)?;
    browser.tab_to(&page, "at.name === 'answer.flexible'")?;
    browser.press(&page, SPACE)?;
    browser.tab_to(&page, "at.id === 'f-answer.note'")?;
    browser.type_in(&page, "A window seat")?;
    browser.tab_to(&page, "at.value === 'answer'")?;
    browser.press(&page, ENTER)?;
    browser.until(&page, "document.getElementById('e-answer.days')?.innerText.includes('minimum') === true")?;
    browser.picture(&page, "form-wrong")?;
    assert_eq!(browser.ask(&page, "document.getElementById('f-answer.note').value")?, "A window seat");
    assert_eq!(scene.status(&id).await?["status"], "pending");

    browser.tab_to(&page, "at.id === 'f-answer.days'")?;
    browser.type_in(&page, "3")?;
    browser.press(&page, ENTER)?;
    browser.until(&page, "document.querySelector('#state .badge')?.innerText === 'answered'")?;
    let expected = json!({ "days": 3, "kind": "train", "flexible": true, "note": "A window seat" });
    assert_eq!(scene.status(&id).await?["response"], expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_wider_than_a_phone_and_each_control_has_a_name() -> anyhow::Result<()> {
    let scene = Scene::new().await?;
    let approval = scene.ask("approve", &expense()).await?;
    let form = scene.ask("ask", &trip()).await?;
    let mut browser = Browser::start()?;
    let page = browser.page()?;
    browser.resize(&page, PHONE.0, PHONE.1, true)?;
    browser.open(&page, &format!("{}/console", scene.server.url))?;
    fits(&mut browser, &page)?;
    browser.picture(&page, "phone-login")?;
    scene.sign_in(&mut browser, &page)?;
    for (name, path) in [
        ("phone-inbox", "inbox?show=all".to_owned()),
        ("phone-approval", format!("inbox/{approval}")),
        ("phone-form", format!("inbox/{form}")),
        ("phone-runs", "runs".to_owned()),
        ("phone-run", format!("runs/{approval}")),
    ] {
        browser.open(&page, &format!("{}/console/{path}", scene.server.url))?;
        browser.until(&page, "typeof htmx === 'object'")?;
        fits(&mut browser, &page)?;
        browser.picture(&page, name)?;
        // Each thing that is touched is large enough for a finger.
        let small = "[...document.querySelectorAll('form.decide button')].filter(b => b.offsetHeight > 0 && b.offsetHeight < 40).length";
        assert_eq!(browser.ask(&page, small)?, 0, "{name}");
        let unnamed = "[...document.querySelectorAll('input:not([type=hidden]), textarea, select')].filter(i => i.labels.length === 0).length";
        assert_eq!(browser.ask(&page, unnamed)?, 0, "each control of {name} has a label");
    }
    Ok(())
}
