//! Functions of world `code`: input, output, imports.

use super::*;

#[tokio::test]
async fn a_function_of_world_code_gets_its_input_and_answers() {
    let bench = Bench::new();
    let file = bench.code(guests::ECHO);
    let inspection = bench.engine.prepare(&file).unwrap();
    assert_eq!(inspection.kind, FunctionKind::Code);
    assert_eq!(inspection.actions.len(), 1);
    let outcome = bench.run(job(&file, r#"{"a":[1,2.50,"ü"]}"#)).await;
    assert_eq!(outcome.result.unwrap().as_str(), r#"{"a":[1,2.50,"ü"]}"#);
    assert_eq!(outcome.usage.memory_bytes_peak, 2 << 16);
}
