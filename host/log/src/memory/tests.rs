//! The stand-in keeps the log's promises.

use super::*;
use std::sync::mpsc;
use types::Timestamp;

fn record(seq: u64, epoch: u64) -> Vec<Arc<Record>> {
    let at = Timestamp::from_millis(1);
    vec![Arc::new(Record { object: ObjectId::from_u128(1), epoch, seq, at, rows: vec![] })]
}

fn append(log: &MemoryLog, batch: Vec<Arc<Record>>) -> mpsc::Receiver<Outcome> {
    let (tell, told) = mpsc::channel();
    log.append(batch, Box::new(move |outcome| tell.send(outcome.clone()).unwrap()));
    told
}

#[test]
fn a_held_log_answers_when_it_is_released() {
    let log = MemoryLog::new();
    log.hold();
    let told = append(&log, record(1, 1));
    assert!(told.try_recv().is_err());
    assert_eq!(log.release(), 1);
    assert!(told.recv().unwrap().is_durable());
    assert_eq!(log.head(ObjectId::from_u128(1)), Some(1));
}

#[test]
fn gaps_old_epochs_and_what_it_was_told_to_refuse_are_not_kept() {
    let log = MemoryLog::new();
    assert!(append(&log, record(1, 2)).recv().unwrap().is_durable());
    assert!(matches!(append(&log, record(3, 2)).recv().unwrap(), Outcome::Refused(_)));
    assert!(matches!(append(&log, record(2, 1)).recv().unwrap(), Outcome::Fenced));
    log.answer(Some(Outcome::Refused(Arc::new(Error::Full))));
    assert!(matches!(append(&log, record(2, 2)).recv().unwrap(), Outcome::Refused(_)));
    log.answer(None);
    assert!(append(&log, record(2, 2)).recv().unwrap().is_durable());
    log.close();
    assert!(matches!(append(&log, record(3, 2)).recv().unwrap(), Outcome::Refused(_)));
    assert_eq!(log.replay(ObjectId::from_u128(1), 1).unwrap().len(), 1);
}
