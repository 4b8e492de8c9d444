"""Benchmark: maps against human fixations over a whole data set, beside the published figures."""

import shlex
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from engine.bundle import Place
from engine.errors import DataError
from engine.evaluation.datasets import LAYOUTS
from engine.evaluation.downloads import PARTS
from engine.evaluation.results import Results, read
from engine.evaluation.saliency_work import DEFAULT, PRINCIPAL
from engine.models import catalogue
from engine.models.catalogue import EMBEDDED
from pages.widgets import benchmark_run, fixation_data
from pages.widgets.benchmark_results import TITLES, draw_published, draw_results
from pages.widgets.desk import corner, desk
from pages.widgets.style import style
from pages.widgets.words import plain, refused

MEASURED = Path(__file__).parents[1] / "assets" / "benchmarks" / "osie.json"
USUAL = ("gradcam", "contrastive-saliency", "guided-backprop", "features")
RADII = (5, 15, 50)  # blurs that are offered, in pixels of the photo


def page() -> None:
    st.markdown("## Do the maps agree with where people look?")
    st.markdown(
        "Every map is held against the fixations of people who looked at the same photos. "
        "Centre bias, a map that ignores the photo, is the score to beat."
    )
    collect()
    results = chosen_results()
    if results is not None:
        draw_results(results)
    st.markdown("### What was published")
    draw_published(results)
    st.markdown("### Measure a data set yourself")
    measure()


def collect() -> None:
    """Take the results of a run that has ended, and look which data sets there are now."""
    run: benchmark_run.Run | None = st.session_state.get("benchmark_run")
    found = run.results if run is not None else None
    if found is not None and st.session_state.get("benchmark_results") != found:
        st.session_state["benchmark_results"] = found
        fixation_data.look_again()


def chosen_results() -> Results | None:
    """The results that are shown: a file that was opened, a run of this session, or those that come with the app."""
    with st.popover("Open results", icon=":material/folder_open:"):
        given = st.file_uploader("Results of a run (JSON)", type="json", key="results_file", width=420)
    sources = [(given.name, given.getvalue())] if given is not None else []
    if "benchmark_results" in st.session_state:
        sources.append(("the run of this session", st.session_state["benchmark_results"]))
    if MEASURED.is_file():
        sources.append(("the results that come with the app", MEASURED.read_bytes()))
    for name, content in sources:
        try:
            results = read(content, name)
        except DataError as error:
            refused(error)
            continue
        st.caption(
            f"Shown: {plain(name)}, {results.photos} photos of {plain(results.data)}. "
            "Intervals are 95 % bootstraps over photos."
        )
        return results
    st.info("No results are there yet: open a file, or measure a data set below.")
    return None


# --- a run of one's own -------------------------------------------------------------------------------------


def measure() -> None:
    """Start a run on a data set that is here or can be fetched, and follow it."""
    run: benchmark_run.Run | None = st.session_state.get("benchmark_run")
    st.session_state["benchmark_going"] = going = run is not None and run.going
    folder, options = asked()
    if st.button("Start", type="primary", icon=":material/play_arrow:", disabled=going or not options):
        st.session_state["benchmark_run"] = run = benchmark_run.desk().start(["--data", str(folder), *options])
        st.rerun()
    if run is not None:
        follow()
    if options:
        with st.expander("The same from the command line"):
            words = ["evaluate", "saliency", "--data", folder.name, *options, "--json", "results.json"]
            st.code(shlex.join(["expectancy", *words]), "bash", wrap_lines=True)
    with st.expander("Where the data sets are, and how their folders look"):
        whereabouts()


def asked() -> tuple[Path, list[str]]:
    """Draw what can be chosen of a run; gives the data set's folder and the command's options, [] without a map."""
    for sentence in fixation_data.unusable():
        st.warning(plain(sentence), icon=":material/folder_off:")
    if fixation_data.may_type():
        wrong = fixation_data.typed(st.text_input("Folder of a data set", key="typed_folder", width=500))
        if wrong:
            refused(wrong)
    here = fixation_data.offered()
    known = {layout.id: layout for layout in LAYOUTS}
    offered = [*here, *(name for name in PARTS if name not in here)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        data = st.selectbox(
            "Data set", offered, width=230, key="run_data",
            format_func=lambda name: name if name in here else f"{known[name].title} (to be fetched)",
        )  # fmt: skip
        limit = st.number_input("Photos at most", 1, 100_000, 20, width=150)
        maps = st.multiselect("Maps", list(TITLES), USUAL, format_func=TITLES.__getitem__, width=620)
        blurs = st.multiselect("Blur the photos by", RADII, format_func=lambda radius: f"{radius} px", width=220)
        with st.popover("More", icon=":material/tune:"):
            more = further()
    folder = here.get(data, fixation_data.home() / data)
    if not maps:
        st.caption("Choose at least one map.")
        return folder, []
    words = ["--limit", str(limit), "--methods", ",".join(maps), *more]
    words += ["--blur", ",".join(map(str, (0, *blurs)))] if blurs else []
    words += ["--download", data] if data not in here else []
    if data not in here:
        hosts = " and ".join(dict.fromkeys(urlsplit(part.url).netloc for part in PARTS[data]))
        st.caption(
            f"{known[data].title} is first fetched from {hosts}, which may take long; it is kept in {_short(folder)}. "
            f"Its authors’ terms hold: {known[data].source.split(',')[0]}."
        )
    return folder, words


def further() -> list[str]:
    """Options that are needed less often."""
    ready = [EMBEDDED, *(name for name in catalogue.FEATURED if catalogue.download_size(name) is None)]
    networks = st.multiselect(
        "Networks", ready, [EMBEDDED], format_func=catalogue.title, key="run_networks",
        help="Those whose weights are on this computer; the page “Compare” can download more.",
    )  # fmt: skip
    every = st.checkbox("At every stage of the network, not at each method’s own layer alone", key="run_layers")
    smooth = st.checkbox("Smoothed by 1° of visual angle too", key="run_smooth")
    own = ""
    if fixation_data.may_type():
        own = st.text_input(
            "Maps of other models", key="run_own", placeholder="SalGAN=/maps/salgan, SalGAN@15=/maps/blurred15",
            help="A folder with a map for every photo, named as the photo; after @ the blur of the photos.",
        )  # fmt: skip
    words = ["--models", ",".join(networks)] if networks and networks != [EMBEDDED] else []
    words += ["--layers", f"{DEFAULT},{PRINCIPAL}"] if every else []
    words += ["--smooth", "0,1"] if smooth else []
    return words + [word for part in own.split(",") if part.strip() for word in ("--own", part.strip())]


def whereabouts() -> None:
    """Where each data set is, and how to lay it out by hand."""
    lines = [f"| {layout.title} | {layout.source} | {layout.folder} |" for layout in LAYOUTS]
    st.markdown("\n".join(["| data set | where | its folder |", "|---|---|---|", *lines]))
    st.markdown(
        "Fetched by hand, a data set is found when the app is started with `EXPECTANCY_DATA=FOLDER make run`, where "
        "the folder holds it."
    )


def _short(path: Path) -> str:
    """A path with ~ for the home folder, as a name for the screen."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


@st.fragment(run_every=1.0)
def follow() -> None:
    """The progress of the run, once a second."""
    run: benchmark_run.Run = st.session_state["benchmark_run"]
    if run.going:
        st.progress(run.share, text=run.said)
        st.button(
            "Stop", icon=":material/stop:", on_click=benchmark_run.stop, args=(run,),
            help="What is done stays; the same run goes on later.",
        )  # fmt: skip
        return
    if st.session_state["benchmark_going"]:  # the page above was drawn while it went on
        st.rerun()
    results = run.results
    if results is not None:
        st.success("Done: the results are shown above.")
        st.download_button("Results (JSON)", results, "results.json", "application/json", on_click="ignore")
    elif run.stopped:
        st.info(f"Stopped at {run.reached}. The same choice goes on from there.")
    elif run.wrong:
        refused(run.wrong)
    else:
        refused(
            f"The run ended by itself at {run.reached}; was there enough memory? The same choice goes on from there."
        )


style()
desk(corner(), Place("benchmark", {}), None)
page()
