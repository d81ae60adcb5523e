//! Which segments may go.

use super::*;
use tempfile::TempDir;

struct Scene {
    _folder: TempDir,
    index: Index,
}

fn object(n: u128) -> ObjectId {
    ObjectId::from_u128(n)
}

/// Segments 1, 2, 3 …, each with records (object, seq).
fn scene(segments: &[&[(u128, u64)]]) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let mut index = Index::default();
    for (i, records) in segments.iter().enumerate() {
        let number = u32::try_from(i).unwrap() + 1;
        index.add_segment(Arc::new(Segment::create(folder.path(), number).unwrap()), 100);
        for &(o, seq) in *records {
            index.add(Head { object: object(o), epoch: 1, seq }, number, 0, 1);
        }
    }
    Scene { _folder: folder, index }
}

#[test]
fn only_the_oldest_segment_goes_and_only_when_all_of_it_is_covered() {
    let mut index = scene(&[&[(1, 1), (2, 1)], &[(1, 2)], &[(2, 2)], &[]]).index;
    index.covered(object(1), 2);
    assert!(index.take_unneeded(Closing::No).is_none(), "object 2 needs the first one");
    assert_eq!(index.oldest_holders(9), [object(2)]);
    index.covered(object(2), 1);
    assert_eq!(index.take_unneeded(Closing::No).map(|s| s.number), Some(1));
    assert_eq!((index.tail(object(1)), index.tail(object(2))), (Some(2), Some(2)));
    assert_eq!(index.take_unneeded(Closing::No).map(|s| s.number), Some(2));
    assert_eq!(index.head(object(1)), None);
    assert!(index.take_unneeded(Closing::Yes).is_none(), "record 2 of object 2 is covered by nothing");
    index.covered(object(2), u64::MAX);
    assert_eq!(index.take_unneeded(Closing::No).map(|s| s.number), Some(3));
    assert!(index.take_unneeded(Closing::No).is_none(), "the last one is being written");
    assert_eq!(index.take_unneeded(Closing::Yes).map(|s| s.number), Some(4));
    assert_eq!((index.retained_bytes(), index.objects().len()), (0, 0));
}

#[test]
fn a_checkpoint_counts_once_however_often_it_is_told() {
    let mut index = scene(&[&[(1, 1), (1, 2), (1, 3)], &[]]).index;
    index.covered(object(1), 2);
    index.covered(object(1), 1);
    index.covered(object(1), 2);
    assert!(index.take_unneeded(Closing::No).is_none());
    index.covered(object(1), 3);
    assert!(index.take_unneeded(Closing::No).is_some());
}

#[test]
fn what_does_not_follow_is_refused_with_what_was_accepted_in_the_same_round() {
    let index = scene(&[&[(1, 1)]]).index;
    let mut last = Last::new();
    let head = |epoch, seq| Head { object: object(1), epoch, seq };
    assert!(index.check(&[head(1, 2), head(2, 3)], &mut last).is_ok());
    assert!(matches!(index.check(&[head(1, 4)], &mut last), Err(Outcome::Fenced)));
    assert!(matches!(index.check(&[head(2, 5)], &mut last), Err(Outcome::Refused(_))));
    assert!(matches!(index.check(&[head(2, 4), head(2, 6)], &mut last), Err(Outcome::Refused(_))));
    assert!(index.check(&[head(2, 4)], &mut last).is_ok(), "nothing of the batch before was accepted");
    let zero = Head { object: object(7), epoch: 1, seq: 0 };
    assert!(matches!(index.check(&[zero], &mut last), Err(Outcome::Refused(_))));
}
