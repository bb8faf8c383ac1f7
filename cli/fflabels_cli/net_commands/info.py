"""``ffnet info``: show a run and its progress."""

from __future__ import annotations

import shlex

import click

from fflabels_cli import options


@click.command("info")
@click.argument("run", metavar="RUN", type=click.Path())
@options.as_json
def command(run: str, json_: bool) -> None:
    """Show a run: data, labels, net, layer-locality, progress, saved results. Nothing is computed."""
    import msgspec

    from fflabels_cli import net_output, output
    from ffnet.runs.record import read_record

    loaded = read_record(run)
    if json_:
        output.print_json(
            {
                "run": run,
                "config": msgspec.to_builtins(loaded.config),
                "about": msgspec.to_builtins(loaded.about),
                "layer_local": loaded.config.layer_local,
                "parameters": net_output.parameters(loaded),
                "epochs_done": len(loaded.metrics),
                "metrics": loaded.metrics,
                "test_reads": loaded.test_reads,
                "results": loaded.results and loaded.results.to_builtins(),
            }
        )
        return
    for line in net_output.description(loaded):
        output.print_line(line)
    about, done, epochs = loaded.about, len(loaded.metrics), loaded.config.train.epochs
    versions = ", ".join(f"{k} {v}" for k, v in sorted(about.versions.items()))
    output.print_line(f"started on {about.device}; {versions}")
    for part in about.continued:
        versions = ", ".join(f"{k} {v}" for k, v in sorted(part.versions.items()))
        output.print_line(f"continued after step {part.step} of epoch {part.epoch + 1} on {part.device}; {versions}")
    if loaded.results and done < epochs:
        click.echo(f"Warning: {run}/metrics.jsonl lacks {epochs - done} of {epochs} epochs", err=True)
    done = epochs if loaded.results else done
    how = "" if loaded.results else f"; ffnet resume {shlex.quote(run)} continues it"
    click.echo(f"{done} of {epochs} epochs{how}")
    if loaded.metrics:
        click.echo(net_output.epoch_line(loaded.metrics[-1], epochs))
    if loaded.results:
        net_output.print_results(loaded, json_=False)
        click.echo(f"the test images were evaluated {output.times(loaded.test_reads)}")
