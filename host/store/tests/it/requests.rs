//! What people are asked for, among ten thousand others: listed by page, by who is asked, by type.

use crate::common::{EPOCH, at, object};
use org_ai_store::{Options, RequestFilter, Store};
use types::{Assignee, Id, Json, Method, RequestRow, RequestStatus, Row, Urgency};

const MANY: u32 = 10_000;

fn asked(n: u32) -> RequestRow {
    let assignee =
        |name: &str| Assignee { id: format!("https://a/Human/{name}"), level: 0, since: at(0), delegated_by: None };
    RequestRow {
        id: Id::from_u128(1_000_000 + u128::from(n)),
        key: (n == 7).then(|| "exp-7".to_owned()),
        method: if n.is_multiple_of(2) { Method::Approve } else { Method::Ask },
        worker: "Human/ann".parse().expect("a worker"),
        requester: "https://a/Service/root".to_owned(),
        parent: (n == 9).then(|| Id::from_u128(9)),
        kind: if n.is_multiple_of(100) { "travel" } else { "expense" }.to_owned(),
        title: format!("chair {n}"),
        form: None,
        options: Vec::new(),
        data: Some(Json::parse(r#"{"n":1.50}"#).expect("JSON")),
        amount: Some(12.5),
        urgency: Urgency::Normal,
        status: RequestStatus::Pending,
        assignees: vec![assignee("ann"), assignee(&format!("p{}", n % 1_000))],
        level: 0,
        quorum: 1,
        reject_quorum: 1,
        allow_self: false,
        answers: Vec::new(),
        comments: Vec::new(),
        delegations: Vec::new(),
        accepted_by: None,
        created_at: at(0),
        expires_at: at(u64::from(n)),
        next: None,
        resolved_at: None,
        responded_by: None,
        response: None,
        channel: None,
        warnings: Vec::new(),
    }
}

fn all(store: &Store, filter: &RequestFilter) -> Vec<u128> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = store.requests(&RequestFilter { before, limit: 1_000, ..filter.clone() }).expect("it can be read");
        found.extend(page.items.iter().map(|row| row.id.as_u128() - 1_000_000));
        match page.next {
            Some(next) => before = Some(next),
            None => return found,
        }
    }
}

#[test]
fn requests_are_listed_by_where_they_stand_by_whom_they_are_asked_of_and_by_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&folder.path().join("a.sqlite"), object(1), &Options::STANDARD).expect("it opens");
    let mut write = |rows: Vec<RequestRow>| {
        let mut turn = store.turn(EPOCH, at(0)).expect("a turn");
        rows.into_iter().for_each(|row| turn.write(Row::Request(Box::new(row))).expect("it is written"));
        turn.commit().expect("it is committed");
    };
    write((0..MANY).map(asked).collect());
    let decided = RequestRow { status: RequestStatus::Approved, resolved_at: Some(at(1)), ..asked(4) };
    // A row that is written twice is the row.
    write(vec![decided.clone(), decided.clone()]);

    let person = |name: &str| Some(format!("https://a/Human/{name}"));
    let pending = RequestFilter { status: Some(RequestStatus::Pending), ..RequestFilter::default() };
    let begun = std::time::Instant::now();
    let of_all = all(&store, &pending);
    assert_eq!((of_all.len(), of_all[0]), (MANY as usize - 1, u128::from(MANY) - 1), "newest first");
    assert!(of_all.windows(2).all(|pair| pair[0] > pair[1]) && !of_all.contains(&4));
    let of_one = all(&store, &RequestFilter { assignee: person("p4"), ..pending.clone() });
    assert_eq!(of_one, [9004, 8004, 7004, 6004, 5004, 4004, 3004, 2004, 1004]);
    let ever = all(&store, &RequestFilter { assignee: person("p4"), ..RequestFilter::default() });
    assert_eq!(ever.len(), 10);
    let travel = all(&store, &RequestFilter { kind: Some("travel".to_owned()), ..pending.clone() });
    assert_eq!((travel.len(), travel[0]), (100, 9_900));
    let odd = RequestFilter { method: Some(Method::Ask), assignee: person("ann"), ..pending.clone() };
    assert_eq!(all(&store, &odd).len(), MANY as usize / 2);
    assert_eq!(all(&store, &RequestFilter { assignee: person("nobody"), ..pending }), [0; 0]);
    assert_eq!(all(&store, &RequestFilter { status: Some(RequestStatus::Approved), ..RequestFilter::default() }), [4]);
    assert_eq!(store.pending_requests(None).expect("a count"), u64::from(MANY) - 1);
    assert_eq!(store.pending_requests(person("p4").as_deref()).expect("a count"), 9);
    eprintln!("10,000 requests read whole and in part: {:?}", begun.elapsed());

    assert_eq!(store.request(decided.id).expect("it can be read"), Some(decided));
    assert_eq!(store.request_by_key("exp-7").expect("it can be read").map(|row| row.id), Some(asked(7).id));
    assert_eq!(store.request_of_action(Id::from_u128(9)).expect("it can be read").map(|row| row.id), Some(asked(9).id));
    assert_eq!(store.request_of_action(Id::from_u128(8)).expect("it can be read"), None);
}
