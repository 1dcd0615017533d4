//! Writes where the fuzzers begin: `seeds FOLDER`, a folder in it for each target, a file for each seed.

#[path = "../tests/inputs/mod.rs"]
mod inputs;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a FOLDER expected");
    for target in &inputs::TARGETS {
        let folder = std::path::Path::new(&folder).join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
