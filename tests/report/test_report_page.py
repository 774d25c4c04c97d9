"""The page: valid, self-contained, true to the files, and honest about gaps."""

import base64
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.special import softmax

from autoreg_jax.errors import ArtifactError, AutoRegError
from autoreg_jax.inference import stored_digest
from autoreg_jax.report import _run, write_report
from autoreg_jax.report._curves import series
from autoreg_jax.report._decisions import leads
from autoreg_jax.report._style import INK
from autoreg_jax.report._summary import summary_paragraph
from autoreg_jax.report._templates import page_templates
from autoreg_jax.report._words import MISSING
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import OPERATIONS, CellShapes, Genotype


def plain(sentence: str) -> str:
    """A sentence as the page shows it, where commands are set as code."""
    return sentence.replace("`", "")


_VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Text, elements and data values of a page; fails on tags that do not nest."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.elements, self.text, self.html = [], [], "", html
        self.feed(html)
        self.close()
        assert not self.open
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.text += " " if tag in {"td", "th"} else ""
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def read(path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "brain")


@pytest.fixture(scope="module")
def page(run):
    return read(write_report(run))


def test_nothing_is_loaded_from_elsewhere(run, page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "iframe", "object", "embed"}
    assert all("src" not in attrs for attrs in page.all("script"))
    for _, attrs in page.elements:
        assert "href" not in attrs
        assert attrs.get("src", "data:").startswith("data:")
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "://" not in html
    assert not re.findall(r"url\((?!%23)", html)  # what is clipped in a figure


def test_every_image_is_readable_and_has_a_caption_and_a_description(page):
    images = page.all("img")
    # Three slices of the worst pair: two with a slider, three single pictures.
    figures = 3 + 1 + 1 + 1 + 1 + 1
    assert len(page.all("figcaption")) == figures + 3 * (2 + 3)
    assert len(images) == figures + 3 * (2 * 2 + 3)
    for image in images:
        assert image["alt"]
        head, data = image["src"].split(",", 1)
        if "svg" in head:
            assert ET.fromstring(unquote(data)).tag.endswith("svg")
        else:
            content = base64.b64decode(data, validate=True)
            assert imread(io.BytesIO(content), format="png").std() > 0


def test_page_has_a_reasonable_size_and_no_leftovers(run, page):
    assert (run / "report.html").stat().st_size < 3e6
    assert not list(run.glob(".*"))


def test_on_a_phone_every_number_has_the_name_of_its_column(page):
    # A player scrolls.
    tables = [attrs["class"].split() for attrs in page.all("table")]
    assert all(("cards" in names) != ("frames" in names) for names in tables)
    headers = set(re.findall(r'data-column="([^"]+)"', page.html))
    assert {"Before", "After the network", "Edge 3", "Start", "End"} <= headers
    shown = set(re.findall(r'<th scope="col">([^<]+)</th>', page.html))
    assert headers <= shown
    bare = re.findall(r"<td>[^<]", page.html.partition('class="facts')[0])
    assert not bare


def test_has_a_dark_form_in_which_no_colour_is_left_light(page):
    style = page.html.partition("<style>")[2].partition("</style>")[0]
    light, dark, paper = re.findall(r":root \{([^}]+)\}", style)
    assert paper.strip() == "color-scheme: only light;"
    names = set(re.findall(r"--(\w+): #", light))
    assert names == set(re.findall(r"--(\w+): #", dark)) >= {"ink", "paper", "panel"}
    rules = style.replace(light, "").replace(dark, "")
    # Figures have no background, slices a black one.
    assert re.findall(r"background: (#\w+)", rules) == ["#000"]
    assert set(re.findall(r"var\(--(\w+)\)", rules)) <= names | {"x", "share"}
    figures = [unquote(image["src"]) for image in page.all("img")]
    figures = [text for text in figures if "svg+xml" in text]
    assert len(figures) == 8
    for text in figures:
        own = re.findall(r":root\{([^}]+)\}", text)
        assert f"--ink:{INK}" in own[0]
        assert "--ink:#e6e9ed" in own[1]
        assert "--paper:#14181d" in own[1]
        rest = text.replace(own[0], "").replace(own[1], "")
        # Every line and letter takes a colour that follows the page.
        assert INK not in rest


def test_on_paper_nothing_is_operated(page):
    rules = page.html.partition("@media print")[2].partition("</style>")[0]
    hidden = re.findall(r"([^{}]+)\{ display: none; \}", rules)
    assert [set(names.replace(" ", "").strip().split(",")) for names in hidden] == [
        {"input", "button", ".player", ".operated"}
    ]
    kept = re.findall(r"([^{}]+)\{ break-inside: avoid; \}", rules)
    assert {"figure", "table", "tr"} <= set(kept[0].strip().split(", "))


def test_players_are_hidden_until_the_script_shows_them(page):
    players = [a for a in page.all("div") if a.get("class") == "player"]
    assert len(players) == 3  # feature cells, deformation cells, loss weights
    assert all("hidden" in attrs for attrs in players)
    data = [json.loads(text) for text in re.findall(r'json">(.+)</script>', page.html)]
    ranges = [a for a in page.all("input") if "oninput" not in a]
    assert [int(a["max"]) for a in ranges] == [len(d["frames"]) - 1 for d in data]
    assert all(a["aria-label"] for a in page.all("input"))


def test_same_run_gives_the_same_page(run, page):
    first = (run / "report.html").read_bytes()
    write_report(run)
    assert (run / "report.html").read_bytes() == first


def test_numbers_of_the_table_are_those_of_the_evaluation(run, page):
    evaluation = json.loads((run / "evaluation.json").read_text())
    shown = [float(item["value"]) for item in page.all("data")]
    percent = {"folding_fraction": 100, "folding_fraction_refined": 100}
    keys = [
        "dice_before", "dice", "dice_refined", "displacement_error_before",
        "displacement_error", "displacement_error_refined", "folding_fraction",
        "folding_fraction_refined", "seconds_per_pair", "seconds_per_pair_refined",
    ]  # fmt: skip
    expected = [evaluation[key]["mean"] * percent.get(key, 1) for key in keys]
    np.testing.assert_allclose(shown, expected, rtol=1e-12)
    for key in ("dice_before", "dice", "dice_refined"):
        mean, sd = evaluation[key]["mean"], evaluation[key]["sd"]
        assert f"{mean:.3f} ± {sd:.3f}" in page.text


def test_chosen_operations_weights_and_command_are_readable(run, page):
    genotype = json.loads((run / "genotype.json").read_text())
    words = {
        "conv": "convolution",
        "sep_conv": "separable convolution",
        "dil_conv": "dilated convolution",
    }
    rows = page.text.split("Edge 3")[1]
    for kind, scale in itertools.product(
        ("feature", "deformation"), ("half", "quarter")
    ):
        for name in genotype[kind][scale]:
            operation, width = name.rsplit("_", 1)
            _, found, rows = rows.partition(f"{words[operation]}, width {width}")
            assert found
    weights = json.loads((run / "objective.json").read_text())
    assert f"{weights['lam']['smooth']:.3f}" in page.text
    assert "autoreg auto 'data set/dataset.csv' -o brain" in page.text
    assert "seconds · Training 3 min 21 s" in page.text
    assert "versions · autoreg_jax 0.1.0" in page.text


def test_each_choice_has_its_margin(run, page, tmp_path):
    """Of the probabilities of α, or of what a removal costs."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    alpha = next(json.loads(x) for x in reversed(lines) if "alpha" in x)["alpha"]
    genotype = json.loads((run / "genotype.json").read_text())
    found = leads(genotype, alpha, list(OPERATIONS))
    shares = np.sort(softmax(alpha["deformation"], -1))[1, 2]
    lead = found["deformation", "quarter", 2]
    assert lead == pytest.approx(100 * (shares[-1] - shares[-2]))
    assert len(found) == 12
    assert f"% ({lead:+.2g})" in page.text
    smallest, largest = min(found.values()), max(found.values())
    assert f"by {smallest:.2g} to {largest:.2g} percentage points" in page.text

    chosen = dict.fromkeys(("operation", "second"), "conv_1") | {"pairs": 6}
    records = [
        {"stage": f"perturbation{turn}", "step": 1 + edge, "kind": "feature"}
        | {"scale": "half", "edge": edge, "margin": margin, "standard_error": error}
        | chosen
        for turn in ("", "-2")
        for edge, (margin, error) in enumerate([(0.5, 0.1), (0.5, 0.3), (0.5, None)])
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    (tmp_path / "genotype.json").write_text(Genotype.uniform("conv_3").to_json())
    text = read(write_report(tmp_path)).text
    assert "largest on 6 validation pairs. On 1 of 3 edges it leads" in text
    for note in ("+0.5 ± 0.1 ", "+0.5 ± 0.3, not decided", "+0.5, not decided"):
        assert f"convolution, width 3{note}" in text


def test_worst_and_best_pair_are_named_the_worst_first(page):
    titles = re.findall(r"(Best|Median|Worst): sub-\d\d to sub-\d\d – Dice", page.text)
    assert titles == ["Worst", "Median", "Best"]
    (worst,) = re.findall(r"Worst: (sub-\d\d to sub-\d\d) –", page.text)
    assert f"Look closely at {worst}: before and after, folds" in page.text
    sliders = [a["type"] for a in page.all("input") if "oninput" in a]
    assert sliders == ["range"] * 6


def test_commands_are_set_as_code_and_the_rest_is_escaped():
    shown = page_templates().from_string("{{ text | code }}")
    text = "Repeat `autoreg a <b>` & `c`."
    assert shown.render(text=text) == (
        "Repeat <code>autoreg a &lt;b&gt;</code> &amp; <code>c</code>."
    )


@pytest.mark.parametrize(
    ("files", "sentences"),
    [
        (("evaluation.json", "panels.npz"), {"summary", "pairs"}),
        (("evaluation.csv", "provenance.json"), {"structures", "provenance"}),
    ],
)
def test_absent_files_leave_sentences(make_run, tmp_path, files, sentences):
    run = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    for name in files:
        (run / name).unlink()
    page = read(write_report(run))
    assert "`" not in page.text
    said = {key for key, text in MISSING.items() if plain(text) in page.text}
    assert said == sentences | {"losses", "hypergradients", "weight_history"}


def test_only_a_search_and_only_an_evaluation(make_run, tmp_path):
    run = make_run(tmp_path / "run", num_pairs=1)
    searched, evaluated = tmp_path / "searched", tmp_path / "evaluated"
    for folder, files in (
        (searched, ["metrics.jsonl"]),
        (evaluated, ["evaluation.json", "objective.json"]),
    ):
        folder.mkdir()
        for name in files:
            (folder / name).write_bytes((run / name).read_bytes())
    text = read(write_report(searched)).text
    assert "has not been evaluated yet" in text
    assert "mean entropy" in text
    text = read(write_report(evaluated)).text
    for part in ("architecture", "weight_history", "losses", "hypergradients"):
        assert plain(MISSING[part]) in text


def test_operations_that_were_set_are_not_called_searched(tmp_path):
    genotype = Genotype.uniform("conv_3", CellShapes((1, 3), (4, 2)))
    (tmp_path / "genotype.json").write_text(genotype.to_json())
    (tmp_path / "config.yaml").write_text("network: {operations: [conv_3]}")
    text = read(write_report(tmp_path)).text
    assert (
        "Not searched: each edge has the operation that was set (convolution, width 3)."
        in text
    )
    assert "Searched architecture" not in text
    (tmp_path / "config.yaml").write_text("network: {")
    with pytest.raises(ArtifactError, match=r"config\.yaml: not valid YAML"):
        write_report(tmp_path)


def test_no_labels_no_truth_no_refinement(make_run, tmp_path):
    run = make_run(tmp_path / "run", num_pairs=2, with_records=False)
    with np.load(run / "panels.npz") as archive:
        kept = {k: v for k, v in archive.items() if "labels" not in k}
    np.savez(
        run / "panels.npz", **{k: v for k, v in kept.items() if "refined" not in k}
    )
    (run / "evaluation.csv").unlink()
    (run / "evaluation.json").write_text('{"pairs": 2, "folding_fraction": 0.5}')
    text = read(write_report(run)).text
    assert "There are no label maps" in text
    assert "50 % of the voxels were folded" in text
    assert "imulated" not in text
    assert MISSING["structures"] in text


def test_worse_results_are_called_worse(make_run, tmp_path):
    run = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    scores = {
        "pairs": 1, "simulated": True, "dice_before": {"mean": 0.7, "sd": None},
        "dice": {"mean": 0.6, "sd": None}, "dice_refined": {"mean": 0.6, "sd": None},
        "displacement_error_before": {"mean": 3.0}, "displacement_error": {"mean": 4.0},
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(scores))
    (run / "evaluation.csv").write_text(
        "fixed,moving,structure,dice_before,dice,dice_refined\n"
        "a,b,cortex,0.8,0.6,\na,b,thalamus,0.6,0.6,\nb,a,cortex,0.5,0.6,0.7\n"
    )
    text = read(write_report(run)).text
    assert "1 pair of simulated subjects was registered" in text
    assert "lowered it to 0.600: registration made the overlap worse" in text
    assert "Refining each pair on its own left it unchanged" in text
    assert "The overlap decreased in 1 of 2 pairs." in text
    assert (
        "rose from 3.00 to 4.00 mm, so the true deformation was not recovered" in text
    )


def test_names_are_escaped_also_inside_figures(make_run, tmp_path):
    wild = "<script>alert('&')</script>"
    run = make_run(
        tmp_path / "<b>run&", num_pairs=1, names=[wild, "a$b$^{"], with_records=False
    )
    rows = (run / "evaluation.csv").read_text().replace("cerebellum", "$\\frac{")
    (run / "evaluation.csv").write_text(rows)
    page = read(write_report(run))
    assert not page.all("script")
    assert not page.all("b")
    assert wild in page.text
    assert "Report of run “<b>run&”" in page.text


def test_an_evaluation_of_another_model_is_named(make_run, tmp_path):
    folder = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    (folder / "model").mkdir()
    np.savez(folder / "model" / "weights.npz", kernel=np.ones(3))
    content = json.loads((folder / "evaluation.json").read_text())
    for digest, expected in (("0", True), (stored_digest(folder), False)):
        changed = json.dumps(content | {"model": digest})
        (folder / "evaluation.json").write_text(changed)
        paragraph = summary_paragraph(_run.read_run(RunFolder(folder)))
        assert ("results of another model" in paragraph) == expected


@pytest.mark.parametrize("oriented", [False, True])
def test_two_dimensions(make_run, tmp_path, oriented):
    affine = np.diag([3.0, 3.0, 3.0, 1.0]) if oriented else None
    run = make_run(
        tmp_path / "run", shape=(20, 24), num_pairs=1, affine=affine, with_records=False
    )
    page = read(write_report(run))
    assert len(page.all("img")) == 2 + 2 * 2 + 3  # with the one slice of the pair
    assert ("left and right must not be read" in page.text) is not oriented


def test_rounds_of_a_search_are_one_curve(make_run, tmp_path):
    run = make_run(tmp_path / "run", num_pairs=1)
    path = run / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line | {"step": line["step"] + 1} for line in lines]  # as searches count
    first = [line for line in lines if line["stage"] == "lam"]
    more = [line | {"stage": f"lam-{turn}"} for turn in (2, 3) for line in first]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines + more))
    steps, values = series(_run.read_run(RunFolder(run)).records, "lam", "lam.smooth")
    assert np.all(np.diff(steps) > 0)
    assert len(steps) == 3 * len(first)
    np.testing.assert_array_equal(values[: len(first)], values[-len(first) :])


def test_unfinished_last_record_is_ignored_but_a_broken_one_is_named(
    make_run, tmp_path
):
    run = make_run(tmp_path / "run", num_pairs=1)
    (run / "panels.npz").unlink()
    whole = (run / "metrics.jsonl").read_text()
    records = _run.read_run(RunFolder(run)).records
    (run / "metrics.jsonl").write_text(whole + '{"stage": "tra')
    assert _run.read_run(RunFolder(run)).records == records
    (run / "metrics.jsonl").write_text('{"stage": \n' + whole)
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl: line 1"):
        write_report(run)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("genotype.json", "{", "genotype.json: not valid JSON"),
        ("objective.json", "[]", "expected a JSON object, found []"),
        ("panels.npz", "not a zip", "panels.npz: cannot be read"),
        ("evaluation.csv", "a,b\n1,2\n", "column fixed, moving, structure is missing"),
    ],
)
def test_damaged_file_is_named(make_run, tmp_path, file, content, message):
    run = make_run(tmp_path / "run", num_pairs=1, with_records=False)
    (run / file).write_text(content)
    with pytest.raises(ArtifactError, match=re.escape(message)):
        write_report(run)
    assert not (run / "report.html").exists()


def test_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="autoreg auto"):
        write_report(tmp_path)
    with pytest.raises(ArtifactError, match="no such run folder"):
        write_report(tmp_path / "absent")


def test_missing_extra_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(_run, "find_spec", lambda name: None)
    with pytest.raises(AutoRegError, match=r'pip install "autoreg_jax\[report\]"'):
        write_report(tmp_path)
