//! The fuzz targets of kessai for libFuzzer. What they do is in `tests/it/fuzz_smoke/targets`, where the tests run it too.

#[path = "../../tests/it/fuzz_smoke/targets/mod.rs"]
pub mod targets;

/// Runs one target.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").run)(data);
}
