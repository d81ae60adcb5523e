//! The encoding is kept on disks: these bytes may not change unless [`RECORD_FORMAT`] does.

use super::*;
use types::*;

fn id(n: u128) -> Id {
    Id::from_u128(n)
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(n)
}

/// One of each row, with something in every field.
fn rows() -> Vec<(&'static str, Row)> {
    let namespace = Namespace::parse("https://a.b/c").unwrap();
    let json = |text: &str| Json::parse(text).unwrap();
    let thing = ThingRow {
        version: 300,
        key: ThingKey::parse("Function/pay").unwrap(),
        branch: Some(BranchName::parse("x").unwrap()),
        name: None,
        data: json(r#"{"a":1.50}"#),
        deleted: true,
        created_at: at(5),
        action: id(9),
        actor: "me".into(),
        born: Some(Born { at: at(4), by: "you".into() }),
    };
    let action = ActionRow {
        id: id(1),
        verb: "invoke".into(),
        actor: "me".into(),
        target: "Function/pay".into(),
        input: Some(1),
        output: None,
        options: json("{}"),
        durability: Durability::Do,
        status: ActionStatus::Failed,
        error: Some(Fault::failed("TRAP", "it trapped")),
        attempts: 2,
        idempotency_key: Some("k".into()),
        request_id: None,
        parent: Some(id(2)),
        created_at: at(6),
        started_at: Some(at(7)),
        completed_at: None,
        duration_us: Some(8),
    };
    let detailed = Fault::failed("TRAP", "it trapped").with_details(&serde_json::json!({"at": 1}));
    let event = EventRow {
        sequence: 4,
        id: id(3),
        verb: "invoked".into(),
        source: "Function/pay".into(),
        data: json("null"),
        action: id(1),
        created_at: at(6),
    };
    let log = LogRow { action: id(1), ordinal: 3, at: at(6), stream: LogStream::Warn, text: "hé".into() };
    let object = ObjectRow {
        namespace: namespace.clone(),
        id: ObjectId::from_u128(77),
        class: "App".into(),
        relation: ObjectRelation::Child,
        parent: Some(Namespace::parse("https://a.b").unwrap()),
        created_at: at(1),
        deleted: false,
        place: Place::default(),
    };
    let key = KeyRow {
        id: id(5),
        name: "ci".into(),
        hash: Hash::from_bytes([7; 32]),
        start: "oai_".into(),
        scopes: Scopes::new(vec![Permission::parse("pay.invoke").unwrap()]),
        created_by: "me".into(),
        created_at: at(1),
        expires_at: Some(at(2)),
        revoked_at: None,
        subject: None,
    };
    let (x, noun) = (BranchName::parse("x").unwrap(), Noun::parse("Person").unwrap());
    let branch = BranchRow {
        name: x.clone(),
        parent: Some(BranchName::parse("y").unwrap()),
        base: 7,
        since: 9,
        forked_from: "y".into(),
        things: Some(vec![ThingKey::parse("Note/a%2Fb").unwrap()]),
        created_at: at(1),
        created_by: "me".into(),
        deleted: false,
    };
    let archived = ArchivedRow { archive: Some(id(6)), things: vec![1, 300], actions: vec![id(1)], events: vec![4] };
    let other = namespace.clone();
    vec![
        ("origin", Row::Origin { namespace, created_at: at(1) }),
        ("thing", Row::Thing(thing.clone())),
        ("action", Row::Action(action.clone())),
        ("action with details", Row::Action(ActionRow { error: Some(detailed), ..action })),
        ("event", Row::Event(event.clone())),
        ("log", Row::Log(log)),
        ("object", Row::Object(object)),
        ("key", Row::Key(key)),
        ("secret", Row::Secret { name: "S".into(), sealed: Some(vec![1, 2]), at: at(3) }),
        ("no secret", Row::Secret { name: "S".into(), sealed: None, at: at(3) }),
        ("branch", Row::Branch(branch)),
        ("merge", Row::Merge(MergeRow { source: Some(x.clone()), into: None, at: 8 })),
        ("search", Row::Search { version: 300, text: "acme".into() }),
        (
            "unique",
            Row::Unique(UniqueRow {
                branch: Some(x),
                noun,
                field: "mail".into(),
                value: "\"a\"".into(),
                id: ThingId::parse("ann").unwrap(),
                version: 300,
                held: false,
            }),
        ),
        ("archived", Row::Archived(archived)),
        ("unarchived", Row::Unarchived(thing)),
        ("unarchived event", Row::UnarchivedEvent(event)),
        ("forked", Row::Forked { namespace: other.clone(), from: "https://a.b@v7".into() }),
        ("destroyed", Row::Destroyed { namespace: other, at: at(9) }),
    ]
}

#[test]
fn the_bytes_of_every_row_are_as_they_are_on_disks() {
    let golden = include_str!("golden.txt");
    let mut written = String::new();
    for (name, row) in rows() {
        let record = Record { object: ObjectId::from_u128(1000), epoch: 1, seq: 2, at: at(3), rows: vec![row] };
        let bytes = postcard::to_extend(&record, Vec::new()).unwrap();
        assert_eq!(decode(&bytes).unwrap(), record, "{name}");
        written.push_str(&format!("{name}: {}\n", hex::encode(bytes)));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/frame/golden.txt"), &written).unwrap();
        return;
    }
    assert_eq!(written, golden, "the encoding of format {RECORD_FORMAT} changed; new fields need a new format");
}

#[test]
fn a_frame_gives_back_its_records_and_nothing_that_is_not_whole() {
    let records: Vec<Record> = rows()
        .into_iter()
        .zip(1..)
        .map(|((_, row), seq)| Record { object: ObjectId::from_u128(1), epoch: 1, seq, at: at(3), rows: vec![row] })
        .collect();
    let batches = [Encoded::new(&records[..3]).unwrap(), Encoded::new(&records[3..]).unwrap()];
    let mut builder = FrameBuilder::default();
    let (bytes, ranges) = builder.build(42, &[&batches[0], &batches[1]]);
    assert_eq!(whole_frame_at(bytes, 0, 42), Some(u32::try_from(bytes.len() - FRAME_HEAD_BYTES).unwrap()));
    assert_eq!(whole_frame_at(bytes, 0, 43), None, "of another segment");
    let found = heads(&bytes[FRAME_HEAD_BYTES..]).unwrap();
    for (i, (head, range)) in found.iter().enumerate() {
        assert_eq!(*head, Head::of(&records[i]));
        let offset = u32::try_from(FRAME_HEAD_BYTES).unwrap();
        assert_eq!(ranges[i], range.start + offset..range.end + offset);
        assert_eq!(decode(&bytes[ranges[i].start as usize..ranges[i].end as usize]).unwrap(), records[i]);
    }
    for i in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[i] ^= 1;
        assert_eq!(whole_frame_at(&damaged, 0, 42), None, "byte {i}");
        assert_eq!(whole_frame_at(&bytes[..i], 0, 42), None, "{i} bytes");
    }
}

proptest::proptest! {
    #[test]
    fn a_payload_of_anything_is_no_panic(payload: Vec<u8>, count in 0u32..50) {
        let _ = heads(&payload);
        let mut formed = vec![RECORD_FORMAT];
        formed.extend_from_slice(&count.to_le_bytes());
        formed.extend_from_slice(&payload);
        let _ = heads(&formed);
        let _ = decode(&payload);
        let _ = whole_frame_at(&payload, 0, 1);
        let _ = read_segment_header(&payload);
    }
}
