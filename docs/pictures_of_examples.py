"""What the gallery asks of a scraper: the pictures that an example wrote, moved to where its page shows them."""

from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


def take(block, block_vars, gallery_conf):
    """Move each picture that lies beside the example to the gallery, and return how it is shown."""
    found = sorted(Path(block_vars["src_file"]).parent.glob("*.png"))
    moved = [str(path.replace(to)) for path, to in zip(found, block_vars["image_path_iterator"], strict=False)]
    return figure_rst(moved, gallery_conf["src_dir"])
