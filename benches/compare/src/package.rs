//! The packages that are measured, each built by itself as its users build it.

use std::ffi::OsString;
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
    /// Where it is built, from the project's folder.
    pub target: &'static str,
}

pub const CLI: Package =
    Package { folder: ".", profile: "release", arguments: &[], binary: "pumice", target: "target" };
/// The program without its features: no gateway, no files of many requests, no conversations at a terminal.
pub const LEAN: Package = Package {
    arguments: &["-p", "pumice-cli", "--no-default-features"],
    target: "benches/compare/target/lean",
    ..CLI
};
/// The example that users copy.
pub const EMBEDDER: Package = Package {
    folder: "examples/embedded",
    profile: "release",
    arguments: &[],
    binary: "embedded",
    target: "benches/compare/target/embedder",
};
/// Other programs that embed the library; `binary` says which.
pub const EMBEDDERS: Package = Package { folder: "benches/compare/embedder", ..EMBEDDER };
/// The embedder with keys of its own: without the feature `chain`.
pub const KEYS: Package = Package {
    arguments: &["--no-default-features", "--features", "http"],
    binary: "keys",
    target: "benches/compare/target/keys",
    ..EMBEDDERS
};
pub const SDK_Z: Package = Package {
    folder: "benches/compare/sdk",
    profile: "release",
    arguments: &[],
    binary: "sdk",
    target: "benches/compare/target/sdk-z",
};
pub const SDK_3: Package = Package { profile: "fast", target: "benches/compare/target/sdk-3", ..SDK_Z };

/// The bare proxy that the gateway is measured beside.
pub const PROXY: Package = Package {
    folder: "benches/compare/proxy",
    profile: "release",
    arguments: &[],
    binary: "proxy",
    target: "benches/compare/target/proxy",
};

/// The one that reads from memory.
pub const CODEC: Package = Package {
    folder: "benches/compare/codec",
    profile: "release",
    arguments: &[],
    binary: "codec",
    target: "benches/compare/target/codec",
};

#[derive(Clone)]
pub struct Built {
    pub binary: PathBuf,
    /// In bytes.
    pub size: u64,
    /// The processor time of the build.
    pub cpu: Duration,
    /// How many packages are in the tree of what is built, itself included.
    pub crates: usize,
}

impl Package {
    /// Builds it on what is there from the last time.
    pub fn build(&self) -> Built {
        self.build_with(&[])
    }

    /// Builds it from nothing, but for the sources of its packages.
    pub fn build_from_nothing(&self) -> Built {
        let status = self.cargo("fetch").status().unwrap();
        assert!(status.success(), "{}: {status}", self.folder);
        let target = root().join(self.target);
        if target.exists() {
            std::fs::remove_dir_all(&target).unwrap();
        }
        self.build()
    }

    /// Builds it with more in the environment.
    pub fn build_with(&self, environment: &[(String, OsString)]) -> Built {
        let target = root().join(self.target);
        let mut command = self.cargo("build");
        command.args(["--bin", self.binary, "--profile", self.profile, "--target-dir"]).arg(&target);
        command.args(self.arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        eprintln!("building {} in {}, {}", self.binary, self.folder, self.profile);
        let used = command.spawn().unwrap().wait4().unwrap();
        assert!(used.status.success(), "{}: {}", self.folder, used.status);
        let binary = self.built_binary();
        Built {
            size: std::fs::metadata(&binary).unwrap().len(),
            binary,
            cpu: used.rusage.utime + used.rusage.stime,
            crates: self.crates(),
        }
    }

    /// Where the program is when it has been built.
    pub fn built_binary(&self) -> PathBuf {
        let triple = self.arguments.iter().skip_while(|word| **word != "--target").nth(1).unwrap_or(&"");
        root().join(self.target).join(triple).join(self.profile).join(self.binary)
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
        // Not `--locked`: what pumice comes to need goes into the lock files here with the next run.
        command.args([subcommand, "--quiet"]).current_dir(root().join(self.folder));
        if self.folder != CLI.folder {
            // `.cargo/config.toml` counts for the program alone: the others are built as they are elsewhere.
            command.env("RUSTFLAGS", "");
        }
        command
    }
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
