//! The packages that are measured, each built by itself as its users build it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wait4::Wait4 as _;

/// A package in one of its builds.
#[derive(Clone, Copy)]
pub struct Package {
    /// Its folder, from the project's.
    pub folder: &'static str,
    pub profile: &'static str,
    /// More arguments for cargo: features, targets.
    pub arguments: &'static [&'static str],
    pub binary: &'static str,
    /// Where it is built, in the folder of builds here.
    pub target: &'static str,
}

pub const CLI: Package =
    Package { folder: ".", profile: "release", arguments: &[], binary: "pumice", target: "cli" };
pub const EMBEDDER: Package = Package {
    folder: "benches/compare/embedder",
    profile: "embedded",
    arguments: &[],
    binary: "embedder",
    target: "embedder",
};
pub const SDK_Z: Package = Package {
    folder: "benches/compare/sdk",
    profile: "release",
    arguments: &[],
    binary: "sdk",
    target: "sdk-z",
};
pub const SDK_3: Package = Package { profile: "fast", target: "sdk-3", ..SDK_Z };

pub struct Built {
    pub binary: PathBuf,
    /// In bytes.
    pub size: u64,
    /// What a build from nothing took; `None` where there was something.
    pub cpu: Option<Duration>,
    /// How many packages are in the tree of what is built, itself included.
    pub crates: usize,
}

impl Package {
    /// Builds it: from nothing, or with what is there from the last time.
    pub fn build(&self, from_nothing: bool) -> Built {
        let target = root().join("benches/compare/target").join(self.target);
        if from_nothing {
            // The packages' sources are no part of the build.
            run(self.cargo("fetch"));
            if target.exists() {
                std::fs::remove_dir_all(&target).unwrap();
            }
        }
        let mut command = self.cargo("build");
        command.args(["--profile", self.profile, "--target-dir"]).arg(&target).args(self.arguments);
        command.args(["--bin", self.binary]);
        eprintln!("building {} ({})", self.target, self.profile);
        let child = command.spawn().unwrap();
        let used = child.wait4().unwrap();
        assert!(used.status.success(), "{}: {}", self.target, used.status);
        let triple = self.arguments.iter().skip_while(|word| **word != "--target").nth(1).unwrap_or(&"");
        let binary = target.join(triple).join(self.profile).join(self.binary);
        Built {
            size: std::fs::metadata(&binary).unwrap().len(),
            binary,
            cpu: from_nothing.then_some(used.rusage.utime + used.rusage.stime),
            crates: self.crates(),
        }
    }

    fn crates(&self) -> usize {
        let mut command = self.cargo("tree");
        command.args(["--edges", "normal,build", "--prefix", "none"]).args(self.arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        let mut names = tree.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new("cargo");
        command.args([subcommand, "--locked", "--quiet"]).current_dir(root().join(self.folder));
        command
    }
}

fn run(mut command: Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
