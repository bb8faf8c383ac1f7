"""Every command in README and docs runs, and prints what is shown: apart, for tests run a file at a time."""

import pytest
from test_documents import IN_ORDER, PAGES, all_blocks, blocks, run_commands, run_python, with_blocks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_images")]


@pytest.mark.parametrize("page", with_blocks("console", "bash"))
def test_commands_run_and_print_what_is_shown(page, tmp_path):
    for block in blocks(page, "console", "bash"):
        run_commands(block, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in IN_ORDER], ids=lambda page: page.stem)
def test_a_tutorial_runs_from_top_to_bottom(page, tmp_path):
    run = {"python": run_python, "console": run_commands}
    for language, block in all_blocks(page):
        if language in run:
            run[language](block, tmp_path)
