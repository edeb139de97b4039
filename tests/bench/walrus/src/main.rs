//! `walrus-runner IN OUT`: reads a module and writes it back.

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: walrus-runner IN OUT");
    };
    walrus::Module::from_file(input)?.emit_wasm_file(output)
}
