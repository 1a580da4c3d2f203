//! The dashboard is built into the binary: a new build of it is a reason to compile again.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
