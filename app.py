"""The app: page settings and navigation, nothing else. Start it with `make run`."""

import engine  # noqa: F401  (first of all: it sets how torch's threads wait)

if __name__ == "__main__":  # worker processes of an evaluation run this file too, under another name
    import streamlit as st

    from pages.widgets.address import follow, leave
    from pages.widgets.comeback import come_back
    from pages.widgets.farewell import take_leave
    from pages.widgets.privacy import privacy
    from pages.widgets.tidy import tidy

    st.set_page_config(page_title="Expectancy Explorer", page_icon="🔎", layout="wide")
    page = st.navigation(
        [
            # Its path is never seen. Were it its file's name, a server's first visitors would be sent to /compare,
            # which is no page: before this script has run once, Streamlit takes the folder pages for the navigation.
            st.Page("pages/compare.py", title="Compare", icon=":material/compare:", default=True, url_path="start"),
            st.Page("pages/layers.py", title="Layers", icon=":material/layers:"),
            st.Page("pages/human_saliency.py", title="Human saliency", icon=":material/visibility:"),
            st.Page("pages/image_quality.py", title="Image quality", icon=":material/photo_filter:"),
            st.Page("pages/benchmark.py", title="Benchmark", icon=":material/leaderboard:"),
            st.Page("pages/lesson.py", title="Lesson", icon=":material/school:"),
        ],
        position="top",
    )
    follow(page.title)
    page.run()
    leave(page.title)
    privacy()
    come_back()
    tidy()
    take_leave()
