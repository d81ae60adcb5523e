//! What models cost.

use super::run;
use crate::Error;
use rusqlite::{Connection, params};
use types::ModelUsageRow;

/// The larger numbers stay: they only grow, and rows may come in another order than they were counted in.
pub(crate) fn put(connection: &Connection, u: &ModelUsageRow) -> Result<(), Error> {
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    run(
        connection,
        "INSERT INTO modelUsage (day, model, calls, inputTokens, outputTokens, costMicros, unpricedCalls)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (day, model) DO UPDATE SET calls = max(calls, ?3), inputTokens = max(inputTokens, ?4),
           outputTokens = max(outputTokens, ?5), costMicros = max(costMicros, ?6),
           unpricedCalls = max(unpricedCalls, ?7)",
        params![
            u.day,
            u.model,
            int(u.calls),
            int(u.input_tokens),
            int(u.output_tokens),
            int(u.cost_micros),
            int(u.unpriced_calls)
        ],
    )
}
