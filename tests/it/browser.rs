//! A headless Chromium, driven by its DevTools protocol over a pair of pipes: no socket, and nothing to install beside it.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// For one answer of the browser, and for what a page is waited for. Long: machines of tests are slow, and nothing
/// waits for its end that does not fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with its profile. It ends with the test.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    _profile: TempDir,
}

/// One page of it.
#[derive(Clone)]
pub struct Page {
    session: String,
}

/// Keys that are more than a letter: name, code, and what they type.
pub const TAB: (&str, u32, &str) = ("Tab", 9, "");
pub const ENTER: (&str, u32, &str) = ("Enter", 13, "\r");
pub const SPACE: (&str, u32, &str) = (" ", 32, " ");

fn program() -> anyhow::Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/chromium");
    let found = Command::new(&script).stderr(Stdio::inherit()).output()?;
    ensure!(found.status.success(), "no Chromium can be had: see what scripts/chromium says above");
    Ok(PathBuf::from(String::from_utf8(found.stdout)?.trim()))
}

impl Browser {
    pub fn start() -> anyhow::Result<Self> {
        let profile = TempDir::new()?;
        // The browser reads its commands from the descriptor 3 and writes to 4: the shell puts our pipes there.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program()?)
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let to = child.stdin.take().context("stdin is piped")?;
        let from = messages(child.stdout.take().context("stdout is piped")?);
        Ok(Self { child, to, from, next: 0, _profile: profile })
    }

    /// A page. One at a time: what is behind another has no focus, and is not drawn.
    pub fn page(&mut self) -> anyhow::Result<Page> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach)?;
        let page = Page { session: session["sessionId"].as_str().context("a session")?.to_owned() };
        self.call(Some(&page), "Page.enable", json!({}))?;
        Ok(page)
    }

    /// The screen of a phone, or of a desk.
    pub fn resize(&mut self, page: &Page, width: u32, height: u32, mobile: bool) -> anyhow::Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call(Some(page), "Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    pub fn open(&mut self, page: &Page, url: &str) -> anyhow::Result<()> {
        let opened = self.call(Some(page), "Page.navigate", json!({ "url": url }))?;
        ensure!(opened.get("errorText").is_none(), "{url}: {opened}");
        self.until(page, "document.readyState === 'complete' && location.href !== 'about:blank'")
    }

    /// The value of an expression in the page.
    pub fn ask(&mut self, page: &Page, script: &str) -> anyhow::Result<Value> {
        let wanted = json!({ "expression": script, "returnByValue": true });
        let said = self.call(Some(page), "Runtime.evaluate", wanted)?;
        ensure!(said.get("exceptionDetails").is_none(), "{script}: {said}");
        Ok(said["result"]["value"].clone())
    }

    /// Until that is true in the page. It may be on its way to another one meanwhile.
    pub fn until(&mut self, page: &Page, script: &str) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.ask(page, script).is_ok_and(|value| value == true) {
                return Ok(());
            }
            if Instant::now() > end {
                let shown = self.ask(page, "location.href + '\\n' + document.body.innerText")?;
                bail!("{script} does not come true at {}", shown.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As if somebody typed it, letter by letter.
    pub fn type_in(&mut self, page: &Page, text: &str) -> anyhow::Result<()> {
        for letter in text.chars() {
            let letter = letter.to_string();
            let down = json!({ "type": "keyDown", "key": letter, "text": letter });
            self.call(Some(page), "Input.dispatchKeyEvent", down)?;
            self.call(Some(page), "Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": letter }))?;
        }
        Ok(())
    }

    pub fn press(&mut self, page: &Page, (key, code, text): (&str, u32, &str)) -> anyhow::Result<()> {
        let mut down = json!({ "type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": code });
        if !text.is_empty() {
            down["type"] = "keyDown".into();
            down["text"] = text.into();
        }
        self.call(Some(page), "Input.dispatchKeyEvent", down)?;
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call(Some(page), "Input.dispatchKeyEvent", up).map(drop)
    }

    /// Goes on by Tab until the expression is true of `at`, the element that has the focus.
    pub fn tab_to(&mut self, page: &Page, is_it: &str) -> anyhow::Result<()> {
        /// More than any page of ours has.
        const STOPS_MAX: usize = 60;
        for _ in 0..STOPS_MAX {
            self.press(page, TAB)?;
            if self.ask(page, &format!("(at => !!({is_it}))(document.activeElement)"))? == true {
                return Ok(());
            }
        }
        bail!("nobody comes to {is_it} by Tab")
    }

    /// A picture of the page, beside what was built.
    pub fn picture(&mut self, page: &Page, name: &str) -> anyhow::Result<PathBuf> {
        let shot = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.call(Some(page), "Page.captureScreenshot", shot)?;
        let bytes = decode(shot["data"].as_str().context("a picture")?);
        let folder = crate::server::binary().parent().context("it lies in a folder")?.join("screenshots");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    fn call(&mut self, page: Option<&Page>, method: &str, params: Value) -> anyhow::Result<Value> {
        self.next += 1;
        let mut call = json!({ "id": self.next, "method": method, "params": params });
        if let Some(page) = page {
            call["sessionId"] = page.session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&call)?;
        bytes.push(0);
        self.to.write_all(&bytes).context("the browser is gone")?;
        self.to.flush()?;
        let end = Instant::now() + PATIENCE;
        loop {
            let message = match self.from.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => bail!("{method}: the browser does not answer"),
                Err(RecvTimeoutError::Disconnected) => bail!("{method}: the browser is gone"),
            };
            if message["id"] != self.next {
                continue;
            }
            ensure!(message.get("error").is_none(), "{method}: {message}");
            return Ok(message["result"].clone());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the browser says, each ended by a zero byte.
fn messages(out: ChildStdout) -> Receiver<Value> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(out).split(0) {
            let Ok(Ok(message)) = message.map(|bytes| serde_json::from_slice(&bytes)) else { return };
            if tell.send(message).is_err() {
                return;
            }
        }
    });
    told
}

/// Base64, as the protocol has pictures in.
fn decode(text: &str) -> Vec<u8> {
    let (mut bytes, mut gathered, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    for letter in text.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        gathered = gathered << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((gathered >> bits & 0xff) as u8);
        }
    }
    bytes
}
