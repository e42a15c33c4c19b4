# make demo   install, then train, score and run a detector on made-up pictures (all in demo/)
# make test   install, then style, types and the whole test suite
# make clean  remove what these made
# A Python other than python3: make demo PYTHON=python3.12

PYTHON ?= python3
PYTEST_ARGS ?= -rs -n 2 --dist loadfile

BIN := .venv/bin
YOLOKIT := $(BIN)/yolokit
MODEL := demo/run/model.safetensors
PACKAGING := setup.cfg pyproject.toml constraints.txt

.PHONY: demo test clean
.DELETE_ON_ERROR:
export NO_ALBUMENTATIONS_UPDATE := 1

demo: demo/.detected
	@echo; echo "AP on the demo's test split:"
	$(YOLOKIT) eval $(MODEL) --data demo/shapes --split test --json demo/scores.json
	@echo
	@echo "Everything is in $(CURDIR)/demo:"
	@echo "  shapes/               the pictures, their COCO annotations and shapes.mp4"
	@echo "  run/                  the run: report.html to look at, model.safetensors to use"
	@echo "  scores.json           the numbers above"
	@echo "  pictures/             the test pictures with what was found drawn in"
	@echo "  video/                the video, likewise"
	@echo "Next: train on your own pictures, see README.md. The command is $(YOLOKIT)"

demo/.detected: demo/.trained
	@rm -rf demo/pictures demo/video
	$(YOLOKIT) detect $(MODEL) demo/shapes/images/test --out demo/pictures --save-json
	$(YOLOKIT) detect $(MODEL) demo/shapes/shapes.mp4 --out demo/video --save-json
	@touch $@

demo/.trained: demo/.shapes configs/quickstart.yaml
	@rm -rf demo/run
	$(YOLOKIT) train configs/quickstart.yaml --data demo/shapes --run demo/run
	@touch $@

demo/.shapes: | .venv/.installed
	@rm -rf demo/shapes
	$(YOLOKIT) data shapes demo/shapes --images 240,40,60
	@touch $@

test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PYTEST_ARGS)  # two processes of one thread each

.venv/.installed: $(PACKAGING) | .venv/.created
	$(BIN)/pip install -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: $(PACKAGING) | .venv/.created
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	@touch $@ .venv/.installed

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "error: yolokit needs Python 3.10 to 3.13. Name one: make PYTHON=python3.12" >&2; \
	    exit 1; }
	$(PYTHON) -m venv .venv
	@echo "Installing; PyTorch is a few gigabytes, once."
	@touch $@

clean:
	rm -rf .venv demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
