"""What a report says of a scored split, section by section."""

from __future__ import annotations

from yolokit.evaluation.calibration import LOWEST_SCORE, calibration_error, reliability
from yolokit.evaluation.confusion import confusion_matrix
from yolokit.evaluation.error_analysis import KINDS, Kind
from yolokit.evaluation.groups import Group, groups_by_crowding, groups_by_size
from yolokit.evaluation.thresholds import THRESHOLDS, Operation
from yolokit.report.charts import Series, bar_chart, precision_recall_chart, unit_chart
from yolokit.report.page import Cell, Matrix, Part, Section, Table, charts, paragraph, table
from yolokit.report.scored import Scored
from yolokit.report.words import count, number, share

_TABLE_ROWS = 28  # classes in a table before the next one starts beside it
_MOST_CLASSES = 24  # in a confusion matrix that can be read
_MOST_CURVES = 5  # of classes beside that of all, one for each colour of the page
_EVERY = 10  # thresholds from one point of a curve to the next
_MEANING: dict[Kind, str] = {
    "Cls": "right place, wrong class",
    "Loc": "right class, box too far off (IoU .10 to .50)",
    "Both": "wrong class and box too far off",
    "Dupe": "a second detection of an object",
    "Bkg": "nothing there, as far as the labels say",
    "Miss": "object that nothing is near",
}


def numbers(scored: Scored) -> list[Part]:
    """COCO's numbers as tiles, and what they mean."""
    metrics = scored.metrics
    tiles = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    note = (
        "AP is COCO's average precision in 0 to 1 over IoU .50 to .95; AP50 counts a box as found "
        "from IoU .50; s, m and l are small, medium and large objects; AR is the average recall "
        f"with 100 boxes a picture. Counted by {metrics.evaluator}, as yolokit eval does."
    )
    if metrics.without_area:
        note += (
            f" Of the {count(metrics.annotations, 'box', 'boxes')} {metrics.without_area} "
            f"{'has' if metrics.without_area == 1 else 'have'} no area and can never be found; "
            "COCO counts them as missed, training leaves them out."
        )
    return [
        Part("tiles", [(name, number(metrics.numbers[name])) for name in tiles]),
        paragraph(note, "soft"),
    ]


def threshold_section(scored: Scored) -> Section:
    """Precision, recall and F1 over the score, and the threshold to use."""
    every, *classes = scored.curves
    chosen = every.best
    if chosen is None:
        return Section("Which threshold", [paragraph("Nothing was found at any threshold.")])
    at = every.at(chosen)
    sentence = (
        f"Use --conf {chosen:g}: there F1 is best on the {scored.split} pictures, {number(at.f1)}, "
        f"with precision {number(at.precision)} and recall {number(at.recall)} at IoU .50, all "
        "classes together."
    )
    note = (
        f"yolokit eval MODEL --data DATA --split {scored.split} --conf {chosen:g} counts them "
        "again, and yolokit detect takes the same --conf. It was chosen on the pictures that it is "
        "measured on, so expect a little less on others. Where a miss costs more than a false "
        "alarm, go lower."
    )
    wanted = [each for each in classes if each.objects]
    by_count = sorted(wanted, key=lambda each: -each.objects)[:_MOST_CURVES]
    f1 = [_curve(each.name, each.f1.tolist()) for each in (every, *by_count)]
    shapes = [
        _curve("precision", [every.at(t).precision for t in THRESHOLDS.tolist()]),
        _curve("recall", [every.at(t).recall for t in THRESHOLDS.tolist()]),
        _curve("F1", every.f1.tolist()),
    ]
    mark = (chosen, f"{chosen:g}")
    rows = [_operation_row("all", at, chosen)]
    rows += [_operation_row(each.name, each.at(chosen), each.best) for each in wanted]
    head = ("class", "objects", "found", "false alarms", "precision", "recall", "F1", "own best")
    return Section(
        "Which threshold",
        [
            paragraph(sentence),
            paragraph(note, "soft"),
            charts(
                [
                    unit_chart(title, lines, x_label="score threshold", y_label=label, mark=mark)
                    for title, lines, label in (
                        ("all classes together", shapes, "share"),
                        ("F1 of all, and of the classes with most objects", f1, "F1"),
                    )
                ]
            ),
            *_long_table(head, rows, f"every class at {chosen:g}"),
        ],
    )


def losses_section(scored: Scored) -> Section:
    """TIDE's six kinds, in AP50 points, and what is found by size and by crowding."""
    losses, errors = scored.losses, scored.errors
    note = (
        f"AP50 is {number(losses.ap50)}. Each bar says how many points (hundredths) it would gain "
        "if an oracle mended that kind of error alone (TIDE, Bolya et al. 2020); the gains do not "
        "add up, for one mended error uncovers the next. All detections down to the lowest score "
        "are looked at."
    )
    rows = [
        [kind, f"{100 * losses.kinds[kind]:.1f}", str(errors.count(kind)), _MEANING[kind]]
        for kind in KINDS
    ]
    rows.append(["all false", f"{100 * losses.false_positives:.1f}", "", "no false alarm at all"])
    rows.append(["all missed", f"{100 * losses.false_negatives:.1f}", "", "nothing missed counts"])
    bars = [(kind, 100 * losses.kinds[kind]) for kind in KINDS]
    by_size = groups_by_size(scored.matching, threshold=scored.threshold)
    by_crowding = groups_by_crowding(scored.matching, threshold=scored.threshold)
    found = f"found above {scored.threshold:g}"
    return Section(
        "Where the points are lost",
        [
            paragraph(note, "soft"),
            charts([bar_chart("AP50 points lost by kind of error", bars)]),
            table(("kind", "points", "errors", "what it is"), rows, texts=1),
            Part(
                "columns",
                [
                    Table(("size", "objects", found, "found at all"), _group_rows(by_size)),
                    Table(
                        ("neighbours", "objects", found, "found at all"), _group_rows(by_crowding)
                    ),
                ],
            ),
        ],
    )


def confusion_section(scored: Scored) -> Section:
    """Truth against detection, class by class; of many classes the pairs that are confused most."""
    matrix = confusion_matrix(scored.matching, threshold=scored.threshold)
    names = [*scored.matching.class_names.values(), "background"]
    used = [place for place in range(len(names)) if matrix[place].any() or matrix[:, place].any()]
    note = (
        f"Rows are the truth, columns the detections above {scored.threshold:g}; colour is the "
        "share of a row. In the last column stands what was missed, in the last row what is a "
        "false alarm, both at IoU .50."
    )
    if len(used) > _MOST_CLASSES + 1:
        pairs = [
            (int(matrix[row, column]), names[row], names[column])
            for row in used[:-1]
            for column in used
            if row != column and column != len(names) - 1 and matrix[row, column]
        ]
        rows = [[truth, str(n), taken] for n, truth, taken in sorted(pairs, key=lambda p: -p[0])]
        note = "The classes that are taken for others most often."
        shown = table(("truth", "times", "detected as"), rows[:_MOST_CLASSES], texts=1)
    else:
        cells = [
            (
                names[row],
                [
                    Cell(str(value) if value else "", value / max(1, int(matrix[row].sum())))
                    for value in matrix[row, used].tolist()
                ],
            )
            for row in used
        ]
        head = ("truth", *(names[place] for place in used))
        shown = Part("matrix", Matrix(head, cells))
    return Section("Confusion", [paragraph(note, "soft"), shown])


def classes_section(scored: Scored) -> Section:
    """AP of each class, and its precision over recall."""
    metrics = scored.metrics
    rows = [["all", str(metrics.annotations), number(metrics.AP), number(metrics.AP50)]]
    rows += [
        [name, str(metrics.class_annotations[name]), number(each["AP"]), number(each["AP50"])]
        for name, each in metrics.per_class.items()
    ]
    head = ("class", "boxes", "AP", "AP50")
    tables = [Table(head, rows[at : at + _TABLE_ROWS]) for at in range(0, len(rows), _TABLE_ROWS)]
    drawn = [
        precision_recall_chart(f"{name}, AP50 {number(metrics.per_class[name]['AP50'])}", curve)
        for name, curve in metrics.precision50.items()
        if curve
    ]
    note = (
        f"Precision over recall at IoU .50, whose mean is AP50. A class without {scored.split} "
        "boxes has neither."
    )
    return Section(
        "Classes", [Part("columns", tables), paragraph(note, "soft"), charts(drawn, small=True)]
    )


def calibration_section(scored: Scored) -> Section:
    """How far a score can be read as a chance."""
    bins = reliability(scored.matching)
    error = calibration_error(bins)
    if not bins:
        return Section("Can a score be trusted", [paragraph("Nothing scores enough to tell.")])
    note = (
        f"A score that can be trusted is right as often as it says: the line would lie on the "
        f"diagonal. The mean distance (expected calibration error) is {number(error)}, over "
        f"{sum(each.count for each in bins)} detections that score more than {LOWEST_SCORE:g}."
    )
    lines = [
        Series("right", [(each.score, each.right) for each in bins]),
        Series("as it should be", [(0.0, 0.0), (1.0, 1.0)]),
    ]
    drawn = unit_chart(
        "share of right detections over their score",
        lines,
        x_label="score",
        y_label="share that is right",
    )
    rows = [[f"{b.score:.2f}", str(b.count), number(b.right)] for b in bins]
    return Section(
        "Can a score be trusted",
        [
            paragraph(note, "soft"),
            charts([drawn]),
            Part("details", ("the numbers", [table(("score", "detections", "right"), rows)])),
        ],
    )


def _curve(name: str, values: list[float]) -> Series:
    """Every tenth threshold, which the eye cannot tell from all of them."""
    points = list(zip(THRESHOLDS.tolist(), values, strict=True))
    return Series(name, points[::_EVERY])


def _operation_row(name: str, at: Operation, best: float | None) -> list[str]:
    return [
        name,
        str(at.objects),
        str(at.found),
        str(at.false_alarms),
        *map(number, (at.precision, at.recall, at.f1)),
        "-" if best is None else number(best),
    ]


def _long_table(head: tuple[str, ...], rows: list[list[str]], summary: str) -> list[Part]:
    """A table, that opens on demand where it is long."""
    if len(rows) <= _TABLE_ROWS:
        return [table(head, rows)]
    return [table(head, rows[:1]), Part("details", (summary, [table(head, rows[1:])]))]


def _group_rows(groups: list[Group]) -> list[list[str]]:
    return [
        [
            each.name,
            str(each.objects),
            *(share(n, each.objects) for n in (each.found, each.ever_found)),
        ]
        for each in groups
    ]
