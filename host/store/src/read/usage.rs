//! What models cost.

use super::Reader;
use crate::Error;
use types::ModelUsageRow;

impl Reader {
    /// From one day (`2026-01-31`) on, the earliest first; at most `limit` rows.
    pub fn model_usage(&self, from: &str, limit: u32) -> Result<Vec<ModelUsageRow>, Error> {
        let sql = "SELECT day, model, calls, inputTokens, outputTokens, costMicros, unpricedCalls FROM modelUsage
                   WHERE day >= ?1 ORDER BY day, model LIMIT ?2";
        self.list(sql, &[&from, &limit], |row| {
            let int = |n: usize| row.get::<_, i64>(n).map(|n| u64::try_from(n).unwrap_or(0));
            Ok(ModelUsageRow {
                day: row.get(0)?,
                model: row.get(1)?,
                calls: int(2)?,
                input_tokens: int(3)?,
                output_tokens: int(4)?,
                cost_micros: int(5)?,
                unpriced_calls: int(6)?,
            })
        })
    }
}
