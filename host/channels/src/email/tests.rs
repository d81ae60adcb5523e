//! Mail against a server of SMTP that keeps what it is given, and refuses what it is told to.

use super::*;
use crate::config::Secret;
use crate::testing::message;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use types::exec::Choice;

/// As much of RFC 5321 as a client needs that behaves.
struct Sink {
    address: std::net::SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Sink {
    /// Answers `RCPT` with that.
    async fn answering(to_recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has one");
        let mails = Arc::<Mutex<Vec<String>>>::default();
        let kept = mails.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, to_recipient, kept.clone()));
            }
        });
        Self { address, mails, serving }
    }

    fn mailer(&self) -> Mailer {
        let smtp_url = format!("smtp://{}", self.address);
        Mailer::new(Email { smtp_url, from: "Approvals <approvals@acme.example>".into(), login: None })
            .expect("it is one")
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn talk(stream: TcpStream, to_recipient: &'static str, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let mut line = String::new();
    let mut mail = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        let answer = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => "250 sink",
            "RCPT" => {
                mail.push_str(&line);
                to_recipient
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    line.clear();
                    stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(&line);
                }
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut mail));
                "250 kept"
            }
            "MAIL" | "RSET" | "NOOP" | "QUIT" => "250 ok",
            _ => "502 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

fn header<'m>(mail: &'m str, name: &str) -> Vec<&'m str> {
    let head = mail.split("\r\n\r\n").next().unwrap_or_default();
    let name = format!("{name}: ");
    head.lines().filter_map(|line| line.strip_prefix(name.as_str())).collect()
}

#[tokio::test]
async fn a_mail_has_its_text_its_links_and_the_same_id_each_time() {
    let sink = Sink::answering("250 ok").await;
    let mailer = sink.mailer();
    let url = "https://acme.example/approvals/r1?token=abc&x=1".to_owned();
    let choices = vec![Choice { label: "Open <it>".into(), url, value: "r1:abc".into() }];
    let message = Dispatch { text: "Pay 10 < 20?".into(), choices, ..message(ChannelKind::Email, "ann@acme.example") };
    mailer.send(&message).await.expect("it is taken");
    mailer.send(&message).await.expect("it is taken again");
    let mails = sink.mails();
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        // Quoted-printable: a line that goes on ends in `=`.
        let mail = &mail.replace("=\r\n", "").replace("=3D", "=");
        assert!(mail.starts_with("RCPT TO:<ann@acme.example>\r\n"), "{mail}");
        assert_eq!(header(mail, "Message-ID"), ["<m-1@acme.example>"]);
        assert_eq!(header(mail, "Auto-Submitted"), ["auto-generated"]);
        assert_eq!(header(mail, "Subject"), ["Hello"]);
        assert!(mail.contains("Open <it>: https://acme.example/approvals/r1?token=abc&x=1"), "{mail}");
        assert!(mail.contains("Pay 10 &lt; 20?") && mail.contains("token=abc&amp;x=1\">Open &lt;it&gt;"), "{mail}");
        assert!(!mail.contains("r1:abc"), "what a button says is not for mail");
    }
}

#[tokio::test]
async fn nothing_in_a_message_becomes_a_header_or_a_recipient() {
    let sink = Sink::answering("250 ok").await;
    let mailer = sink.mailer();
    let message = Dispatch {
        id: "m>\r\nBcc: eve@evil.example".into(),
        subject: "Hi\r\nBcc: eve@evil.example\r\n\r\nbody".into(),
        text: "a\r\n.\r\nRCPT TO:<eve@evil.example>\r\n".into(),
        ..message(ChannelKind::Email, "ann@acme.example")
    };
    mailer.send(&message).await.expect("it is taken");
    let mails = sink.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((header(&mails[0], "Bcc").len(), header(&mails[0], "To")), (0, vec!["ann@acme.example"]));
    assert_eq!(mails[0].matches("RCPT TO:").count(), 1 + 2, "once to the server, twice as text");
    for target in [
        "ann@acme.example\r\nRCPT TO:<eve@evil.example>",
        "ann@acme.example, eve@evil.example",
        "Ann <ann@acme.example>",
        "ann",
        "",
        &format!("{}@acme.example", "a".repeat(300)),
    ] {
        let wrong = Dispatch { target: target.into(), ..message.clone() };
        let fault = mailer.send(&wrong).await.expect_err("it is no address");
        assert_eq!(fault.code, "CHANNEL_TARGET", "{target:?}");
    }
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_or_is_down_is_told_apart() {
    for (answer, code, is_retryable) in
        [("550 no such user", "CHANNEL_TARGET", false), ("451 later", "CHANNEL_FAILED", true)]
    {
        let sink = Sink::answering(answer).await;
        let fault = sink.mailer().send(&message(ChannelKind::Email, "ann@acme.example")).await.expect_err("refused");
        assert_eq!((fault.code.as_str(), fault.kind.is_retryable()), (code, is_retryable), "{answer}");
        assert!(!fault.message.contains("no such user"), "{}", fault.message);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("it has one");
    let config = Email { smtp_url: format!("smtp://{nobody}"), from: "a@acme.example".into(), login: None };
    let mailer = Mailer::new(config).expect("it is one");
    let fault = mailer.send(&message(ChannelKind::Email, "ann@acme.example")).await.expect_err("nobody is there");
    assert_eq!(fault.code, "CHANNEL_FAILED");
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_and_not_written_into_the_url() {
    let with = |url: &str, login: bool| {
        let login = login.then(|| ("user".to_owned(), Secret::new("hunter2")));
        Mailer::new(Email { smtp_url: url.into(), from: "a@acme.example".into(), login }).err()
    };
    for (url, login, is_taken) in [
        ("smtps://mail.example", true, true),
        ("smtp://mail.example:587?tls=required", true, true),
        ("smtp://127.0.0.1:2525", true, true),
        ("smtp://mail.example", true, false),
        ("smtp://mail.example?tls=opportunistic", true, false),
        ("smtp://mail.example", false, true),
        ("smtps://user:hunter2@mail.example", false, false),
        ("http://mail.example", false, false),
        ("mail.example", false, false),
    ] {
        let error = with(url, login);
        assert_eq!(error.is_none(), is_taken, "{url} {login}");
        assert!(error.is_none_or(|error| !error.to_string().contains("hunter2")));
    }
}
