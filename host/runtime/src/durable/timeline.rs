//! What an invocation did, in time: its steps, the invocations they began, what it wrote.

use crate::Caller;
use crate::object::Object;
use std::collections::VecDeque;
use store::{Invocation, InvocationFilter, LogEntry, LogFilter, Page};
use types::{ActionRow, Fault, Id, StepRow, Timestamp};

/// The scope that reading invocations needs; their steps hold what things and functions answered.
const RESOURCE: &str = "invocations";
/// Steps of one invocation in one answer.
pub const STEPS_SHOWN_MAX: u32 = 500;
/// Steps of each invocation below the one that is asked for.
const CHILD_STEPS_SHOWN_MAX: u32 = 100;
/// Invocations below the one that is asked for, on all levels together.
const CHILDREN_SHOWN_MAX: usize = 50;
/// Levels below the one that is asked for.
const LEVELS_SHOWN_MAX: u32 = 4;
/// Log lines of one invocation in one answer.
const LINES_SHOWN_MAX: u32 = 200;

/// One invocation as far as it is shown.
#[derive(Clone, Debug)]
pub struct InvocationShown {
    /// When it was looked at, by the node's clock.
    pub at: Timestamp,
    pub invocation: Invocation,
    /// Its row in the log of actions: how it ended.
    pub action: Option<ActionRow>,
    /// In the order in which they were made.
    pub steps: Vec<StepRow>,
    /// The ordinal where the next page of steps begins.
    pub steps_next: Option<u32>,
    /// What it wrote, oldest first. None: the caller may not read logs.
    pub logs: Option<Vec<LogEntry>>,
    /// Whether it wrote more than is here.
    pub has_more_logs: bool,
    /// Those that its steps began, as far as there is room.
    pub children: Vec<InvocationShown>,
    /// Whether its steps began some that are not here.
    pub has_more_children: bool,
}

impl Object {
    /// Invocations, newest first, each with its row in the log of actions. A page may be short and not the last.
    pub async fn invocations(
        &self,
        caller: &Caller,
        filter: &InvocationFilter,
    ) -> Result<Page<(Invocation, Option<ActionRow>), u64>, Fault> {
        caller.may(RESOURCE, "read")?;
        self.read(|store| {
            let page = store.invocations(filter)?;
            let with_action = |i: Invocation| Ok((store.action(i.row.id)?, i));
            let items = page.items.into_iter().map(with_action).collect::<Result<Vec<_>, store::Error>>()?;
            Ok(Page { items: items.into_iter().map(|(action, i)| (i, action)).collect(), next: page.next })
        })
        .await
    }

    /// One invocation with its steps from the ordinal `from` on, and those below it.
    ///
    /// # Errors
    /// `INVOCATION_NOT_FOUND`: no action of this object with this id, or one that is not durable.
    pub async fn invocation(&self, caller: &Caller, id: Id, from: u32) -> Result<InvocationShown, Fault> {
        caller.may(RESOURCE, "read")?;
        let with_logs = caller.may("logs", "read").is_ok();
        let at = self.node.now();
        let found = self.read(move |store| show(store, id, (from, STEPS_SHOWN_MAX), with_logs, at)).await?;
        let mut shown = found.ok_or_else(|| {
            let message = format!("there is no durable invocation with the id {id}; only what runs as `do` is one");
            Fault::not_found("INVOCATION_NOT_FOUND", message)
        })?;
        self.show_children(&mut shown, with_logs).await?;
        Ok(shown)
    }

    /// Level by level, so that what is near is shown when there is not room for all. Each is a look of its own: the file
    /// is not held for the whole tree.
    async fn show_children(&self, root: &mut InvocationShown, with_logs: bool) -> Result<(), Fault> {
        let mut room = CHILDREN_SHOWN_MAX;
        let mut found: Vec<(Vec<usize>, InvocationShown)> = Vec::new();
        let mut next: VecDeque<(Vec<usize>, Id)> = begun(&root.steps).map(|id| (Vec::new(), id)).collect();
        let mut cut: Vec<Vec<usize>> = Vec::new();
        let mut places: std::collections::HashMap<Vec<usize>, usize> = std::collections::HashMap::new();
        while let Some((above, id)) = next.pop_front() {
            if room == 0 || above.len() as u32 >= LEVELS_SHOWN_MAX {
                cut.push(above);
                continue;
            }
            let now = root.at;
            let look = move |store: &mut store::Store| show(store, id, (0, CHILD_STEPS_SHOWN_MAX), with_logs, now);
            let shown = self.read(look).await?;
            let Some(shown) = shown else { continue };
            room -= 1;
            let place = places.entry(above.clone()).or_default();
            let path: Vec<usize> = above.iter().copied().chain([*place]).collect();
            *place += 1;
            next.extend(begun(&shown.steps).map(|id| (path.clone(), id)));
            found.push((path, shown));
        }
        for (path, shown) in found {
            let (_, above) = path.split_last().expect("a child's path has its own place");
            if let Some(parent) = at(root, above) {
                parent.children.push(shown);
            }
        }
        for above in cut {
            if let Some(parent) = at(root, &above) {
                parent.has_more_children = true;
            }
        }
        Ok(())
    }
}

/// The invocations that these steps began; one that was begun by one and joined by another counts once.
fn begun(steps: &[StepRow]) -> impl Iterator<Item = Id> {
    let mut seen = std::collections::HashSet::new();
    steps.iter().filter_map(|step| step.child).filter(move |id| seen.insert(*id))
}

fn at<'a>(root: &'a mut InvocationShown, path: &[usize]) -> Option<&'a mut InvocationShown> {
    path.iter().try_fold(root, |shown, place| shown.children.get_mut(*place))
}

fn show(
    store: &store::Reader,
    id: Id,
    (from, steps_max): (u32, u32),
    with_logs: bool,
    at: Timestamp,
) -> Result<Option<InvocationShown>, store::Error> {
    let Some(invocation) = store.invocation(id)? else { return Ok(None) };
    let mut steps = store.steps(id, from, steps_max + 1)?;
    let steps_next = (steps.len() > steps_max as usize).then(|| steps.pop().map(|step| step.ordinal)).flatten();
    let filter = LogFilter { target: None, action: Some(id), after: 0, limit: LINES_SHOWN_MAX };
    let logs = if with_logs { Some(store.logs(&filter)?.items) } else { None };
    Ok(Some(InvocationShown {
        at,
        action: store.action(id)?,
        has_more_logs: logs.as_ref().is_some_and(|lines| lines.len() == LINES_SHOWN_MAX as usize),
        invocation,
        steps,
        steps_next,
        logs,
        children: Vec::new(),
        has_more_children: false,
    }))
}
