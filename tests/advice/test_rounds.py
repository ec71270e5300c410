"""What a time budget decides, as functions of values: simulated trials stand for real ones."""

import numpy as np
import pytest

from src.advice.cost_model import MeasuredTime
from src.advice.rounds import Options, Outcome, PlannedTrial, Round, State, compared, is_clearly_behind, next_round

IMAGES = 200


def conduct(
    options: Options, quality: dict[int, float], seconds: float, state: State | None = None, epoch: float = 1.0
) -> tuple[State, float]:
    """Spend `seconds` on candidates whose scores are `quality`; return the state and the seconds left."""
    known = dict(state.known) if state else {}
    earlier = (*state.earlier, *state.session) if state else ()
    session: tuple[Round, ...] = ()
    while found := next_round(State(options, known, session, earlier), seconds):
        for trial in (each for each in found.trials if each not in known):
            of_epoch = epoch * (1 + trial.candidate)
            time = MeasuredTime(2 + of_epoch * trial.epochs, of_epoch, trial.epochs)
            known[trial] = Outcome(quality[trial.candidate], IMAGES, time)
            seconds -= time.seconds
        session = (*session, found)
    return State(options, known, session, earlier), seconds


def stages(state: State) -> list[str]:
    return list(dict.fromkeys(item.stage for item in state.session))


def test_all_depths_are_tried_then_the_better_ones_then_fresh_seeds() -> None:
    options = Options(("",) * 4, 3, 9)
    state, left = conduct(options, {0: 0.4, 1: 0.7, 2: 0.72, 3: 0.71}, 2000.0, epoch=0.9)
    assert stages(state) == ["measure", "rates", "final", "images", "seeds"], "all rates on the full schedule fit"
    selecting = {trial for trial in state.known if trial.seed == 0}
    every_rate = {PlannedTrial(candidate, rate, 0, 9) for candidate in range(4) for rate in range(3)}
    assert selecting == every_rate | {PlannedTrial(candidate, 0, 0, 3) for candidate in range(4)}
    assert state.finalists() == [1, 2, 3], "candidate 0 is clearly behind"
    trials, is_fresh = compared(state)
    assert is_fresh
    assert {trial.seed for trial in trials} == set(range(1, 11))
    assert {trial.candidate for trial in trials} == {1, 2, 3}
    assert left > 0


@pytest.mark.parametrize(("seconds", "epochs"), [(1000.0, 9), (600.0, 6), (450.0, 4), (330.0, 3), (250.0, 3)])
def test_rates_are_compared_on_as_long_a_schedule_as_fits(seconds: float, epochs: int) -> None:
    options = Options(("",) * 4, 3, 9)
    state, _ = conduct(options, dict.fromkeys(range(4), 0.5), seconds)
    (rates,) = [item for item in state.session if item.stage == "rates"]
    assert {trial.epochs for trial in rates.trials} == {epochs}
    assert state.rung(0, 0) == PlannedTrial(0, 0, 0, epochs)
    assert ("full" in stages(state)) == (epochs < 9)


def test_further_seeds_choose_where_there_is_time_and_none_of_them_compares() -> None:
    options = Options(("",) * 4, 3, 9)
    state, _ = conduct(options, {0: 0.4, 1: 0.7, 2: 0.72, 3: 0.71}, 3000.0)
    assert state.finalists() == [1, 2, 3]
    further = {
        PlannedTrial(candidate, rate, seed, 9) for candidate in (1, 2, 3) for rate in range(3) for seed in (11, 12)
    }
    assert {trial for trial in state.known if trial.seed > 10} == further
    assert {trial.seed for trial in compared(state)[0]} == set(range(1, 11))


def test_a_rate_that_fails_with_a_further_seed_is_not_chosen() -> None:
    ok = MeasuredTime(5, 1, 9)
    known = {PlannedTrial(0, rate, 0, 9): Outcome(0.6 + 0.05 * rate, IMAGES, ok) for rate in (0, 1)}
    first = Round("rates", tuple(known), 100.0)
    known |= {PlannedTrial(0, 0, 11, 9): Outcome(0.6, IMAGES, ok), PlannedTrial(0, 1, 11, 9): Outcome(None, 0, ok)}
    again = Round("rates", tuple(trial for trial in known if trial.seed), 90.0)
    options = Options(("",), 2, 9)
    assert [State(options, known, session).best_rate(0) for session in ((first,), (first, again))] == [1, 0]


def test_rates_are_chosen_by_the_mean_of_the_seeds_that_choose() -> None:
    seeds = {0: (0.6, 0.5), 11: (0.4, 0.6), 12: (0.4, 0.6)}
    known = {
        PlannedTrial(0, rate, seed, 9): Outcome(score, IMAGES, MeasuredTime(5, 1, 9))
        for seed, scores in seeds.items() for rate, score in enumerate(scores)
    }  # fmt: skip
    rounds = [Round("rates", tuple(trial for trial in known if trial.seed == seed), 100.0) for seed in seeds]
    options = Options(("",), 2, 9)
    assert [State(options, known, tuple(rounds[:count])).best_rate(0) for count in (1, 3)] == [0, 1]


def test_what_is_compared_has_seeds_that_chose_nothing_and_each_candidate_the_same_ones() -> None:
    for seconds in (150.0, 300.0, 600.0):
        trials, is_fresh = compared(conduct(Options(("",) * 4, 2, 9), dict.fromkeys(range(4), 0.5), seconds)[0])
        if is_fresh:
            seeds = [{trial.seed for trial in trials if trial.candidate == each.candidate} for each in trials]
            assert all(own == seeds[0] and 0 not in own for own in seeds)


@pytest.mark.parametrize("seconds", [30, 60, 120, 300, 900])
def test_a_budget_is_not_exceeded_where_trials_take_what_they_took(seconds: float) -> None:
    _, left = conduct(Options(("",) * 5, 3, 9), dict.fromkeys(range(5), 0.5), seconds)
    first = 2 + 3.0
    assert left >= -5 * first, "only first trials, whose cost is not known, may exceed it"
    if seconds >= 120:
        assert left >= 0


@pytest.mark.parametrize("quality", [(0.5, 0.52, 0.54, 0.56), (0.56, 0.54, 0.52, 0.5), (0.5,) * 4])
@pytest.mark.parametrize("seconds", range(100, 1000, 100))
def test_little_of_the_time_is_left_where_more_would_show_more(seconds: float, quality: tuple[float, ...]) -> None:
    """Also where a comparison by fresh seeds does not fit: then what chooses takes all of it."""
    _, left = conduct(Options(("",) * 4, 3, 9), dict(enumerate(quality)), seconds)
    assert left <= 0.15 * seconds


def test_a_depth_that_is_too_slow_ends_its_backbone_alone() -> None:
    slow = Options(("slow",) * 3 + ("fast",) * 2, 1, 100)
    state, _ = conduct(slow, dict.fromkeys(range(5), 0.5), 250.0)
    assert {trial.candidate for trial in state.known if trial.seed == 0} == {0, 3}


def test_more_minutes_go_on_with_what_is_known() -> None:
    options, quality = Options(("",) * 4, 3, 9), {0: 0.5, 1: 0.52, 2: 0.54, 3: 0.56}
    little, _ = conduct(options, quality, 150.0)
    more, _ = conduct(options, quality, 1000.0, little)
    assert little.known.keys() < more.known.keys()
    assert len(compared(more)[0]) > len(compared(little)[0])


def test_a_failed_rate_is_not_chosen_and_a_failed_candidate_goes_no_further() -> None:
    options = Options(("", ""), 2, 9)
    ok, failed = Outcome(0.5, IMAGES, MeasuredTime(5, 1, 3)), Outcome(None, 0, MeasuredTime(1, 0, 0))
    known = {PlannedTrial(0, 0, 0, 3): failed, PlannedTrial(0, 1, 0, 3): ok}
    known |= {PlannedTrial(1, rate, 0, 3): failed for rate in (0, 1)}
    state = State(options, known)
    assert state.best_rate(0) == 1
    assert state.measured() == [0]


def test_a_clear_winner_is_compared_with_the_runner_up() -> None:
    """What looks alike after few epochs may differ after all of them."""
    options, session, known, seconds = Options(("", "", ""), 1, 9), list[Round](), dict[PlannedTrial, Outcome](), 600.0
    while found := next_round(State(options, known, tuple(session)), seconds):
        for trial in found.trials:
            score = (0.7, 0.68, 0.66)[trial.candidate] if trial.epochs < 9 else (0.7, 0.5, 0.4)[trial.candidate]
            known[trial] = Outcome(score, IMAGES, MeasuredTime(2.0 + trial.epochs, 1.0, trial.epochs))
            seconds -= 2.0 + trial.epochs
        session.append(found)
    trials, is_fresh = compared(State(options, known, tuple(session)))
    assert is_fresh
    assert {trial.candidate for trial in trials} == {0, 1}


def test_backbones_are_compared_each_by_itself() -> None:
    """Two depths of each, or none: one depth of each would compare nothing."""
    options = Options(("a", "a", "a", "b", "b", "b"), 1, 9)
    quality = {0: 0.6, 1: 0.59, 2: 0.58, 3: 0.6, 4: 0.59, 5: 0.58}
    for seconds in range(200, 1500, 100):
        state, _ = conduct(options, quality, seconds)
        finalists = state.finalists()
        assert all(sum(options.groups[each] == group for each in finalists) != 1 for group in "ab")
        assert not finalists or {options.groups[trial.candidate] for trial in compared(state)[0]} == {"a", "b"}
    assert finalists == [*range(6)]


def test_a_backbone_that_costs_too_much_to_compare_stays_in_the_verdict() -> None:
    options, session, known, seconds = (
        Options(("a", "a", "b", "b"), 1, 9),
        list[Round](),
        dict[PlannedTrial, Outcome](),
        400.0,
    )
    epoch, quality = (6, 9, 0.5, 0.6), (0.75, 0.74, 0.73, 0.72)
    while found := next_round(State(options, known, tuple(session)), seconds):
        for trial in (each for each in found.trials if each not in known):
            of_epoch = epoch[trial.candidate]
            known[trial] = Outcome(
                quality[trial.candidate], IMAGES, MeasuredTime(2 + of_epoch * trial.epochs, of_epoch, trial.epochs)
            )
            seconds -= 2 + of_epoch * trial.epochs
        session.append(found)
    trials, is_fresh = compared(State(options, known, tuple(session)))
    assert is_fresh
    seeds = {number: {trial.seed for trial in trials if trial.candidate == number} for number in range(4)}
    assert seeds[0] == {0}, "the best one, by the seed that chose: no depth is compared with it"
    assert seeds[1] == set()
    assert 0 not in seeds[2]
    assert seeds[2] == seeds[3]


def test_a_depth_whose_others_failed_is_compared_alone() -> None:
    options = Options(("a", "a", "b", "b"), 1, 9)
    state, _ = conduct(options, {0: 0.7, 1: 0.68, 2: 0.69, 3: 0.67}, 2000.0)
    known = {trial: outcome for trial, outcome in state.known.items() if trial.seed == 0}
    known[state.full(1)] = Outcome(None, 0, MeasuredTime(1, 0, 0))
    rounds = tuple(item for item in state.session if item.stage in ("measure", "full"))
    found = next_round(State(options, known, rounds), 1500.0)
    assert found is not None
    assert {trial.candidate for trial in found.trials} == {0, 2, 3}


def test_later_rates_are_not_compared_on_a_shorter_schedule_than_before() -> None:
    options = Options(("",) * 3, 3, 9)
    for seconds in range(50, 400, 25):
        first, _ = conduct(options, dict.fromkeys(range(3), 0.5), seconds)
        for more in (30, 60, 120):
            later, _ = conduct(options, dict.fromkeys(range(3), 0.5), more, first)
            assert later.rung(0, 0).epochs >= first.rung(0, 0).epochs


def test_more_minutes_choose_other_rates_only_where_the_comparison_could_be_repeated() -> None:
    options, quality = Options(("",) * 3, 3, 9), dict.fromkeys(range(3), 0.5)
    first, _ = conduct(options, quality, 700.0)
    assert compared(first)[1]
    little, _ = conduct(options, quality, 60.0, first)
    assert "rates" not in stages(little)
    assert "rates" in stages(conduct(options, quality, 3000.0, first)[0])


def test_a_further_seed_that_was_cut_off_does_not_choose() -> None:
    """It would compare one rate's mean of two seeds with another's score of one."""
    time = MeasuredTime(5, 1, 9)
    scores = {(0, 0, 0): 0.6, (0, 1, 0): 0.5, (1, 0, 0): 0.55, (1, 1, 0): 0.56, (0, 0, 11): 0.6, (0, 1, 11): 0.5}
    known = {PlannedTrial(*place, 9): Outcome(score, IMAGES, time) for place, score in scores.items()}
    late = [PlannedTrial(1, rate, 11, 9) for rate in (0, 1)]
    groups = [[trial for trial in known if trial.seed == seed] for seed in (0, 11)] + [late]
    rounds = tuple(Round("rates", tuple(trials), 100.0) for trials in groups)
    known[late[0]] = Outcome(0.9, IMAGES, time)
    state = State(Options(("a", "b"), 2, 9), known, rounds)
    assert [state.choice(number).seeds for number in (0, 1)] == [2, 1]
    assert state.best_rate(1) == 1


def test_more_minutes_withdraw_no_comparison() -> None:
    options, quality = Options(("",) * 4, 3, 9), {0: 0.5, 1: 0.52, 2: 0.54, 3: 0.56}
    for seconds in range(300, 700, 40):
        first, _ = conduct(options, quality, seconds)
        if compared(first)[1]:
            assert all(compared(conduct(options, quality, more, first)[0])[1] for more in (30, 90, 200, 400))


@pytest.mark.parametrize("seconds", [500.0, 700.0])
def test_a_cut_off_session_withdraws_no_comparison(seconds: float) -> None:
    """By a kill or the time, after any number of the trials of a later session, which chooses other rates too."""
    options, quality = Options(("",) * 4, 3, 9), {0: 0.5, 1: 0.52, 2: 0.54, 3: 0.56}
    first, _ = conduct(options, quality, seconds)
    assert compared(first)[1]
    later, _ = conduct(options, {0: 0.56, 1: 0.54, 2: 0.52, 3: 0.5}, 3000.0, first)
    new = [trial for trial in later.known if trial not in first.known]
    assert {"rates", "final"} <= {*stages(later)}
    for count in range(len(new)):
        known = {trial: later.known[trial] for trial in (*first.known, *new[:count])}
        begun = next((n for n, item in enumerate(later.session) if new[count] in item.trials), 0)
        trials, is_fresh = compared(State(options, known, later.session[: begun + 1], later.earlier))
        assert is_fresh
        assert all(trial in known for trial in trials)


def test_what_is_clearly_behind_depends_on_the_images() -> None:
    assert is_clearly_behind(0.5, 0.6, 500)
    assert not is_clearly_behind(0.5, 0.6, 50)
    assert not is_clearly_behind(1.0, 1.0, 3)


def test_the_same_values_decide_the_same() -> None:
    options = Options(("",) * 4, 3, 9)
    state, _ = conduct(options, {0: 0.5, 1: 0.6, 2: 0.58, 3: 0.61}, 700.0)
    for count, decided in enumerate(state.session):
        before = {trial for item in state.session[:count] for trial in item.trials}
        known = {trial: outcome for trial, outcome in state.known.items() if trial in before}
        assert next_round(State(options, known, state.session[:count]), decided.remaining) == decided


def test_noise_does_not_part_rates_and_a_clear_difference_does() -> None:
    from src.advice.rates import best_rates

    common = np.tile([0.5, 0.6, 0.55], (6, 1))
    noisy = common + np.random.default_rng(0).normal(0, 0.02, common.shape)
    assert set(best_rates(noisy, 0.02**2)) == {1}
    own = np.array([[0.9, 0.5], [0.5, 0.9], [0.9, 0.5], [0.5, 0.9]])
    assert best_rates(own, 0.02**2).tolist() == [0, 1, 0, 1]
    assert best_rates(np.array([[-np.inf, 0.1], [0.3, -np.inf]]), 0.01).tolist() == [1, 0]


def failed(*candidates: int) -> State:
    options = Options(("",) * 3, 2, 9)
    outcome = Outcome(None, 0, MeasuredTime(1.0, 0.0, 0))
    known = {PlannedTrial(number, 0, 0, options.short): outcome for number in candidates}
    return State(options, known, (Round("measure", tuple(known), 100.0),))


def test_a_first_trial_that_fails_is_no_end_of_the_arithmetic() -> None:
    state = failed(0)
    assert not state.has_scores
    assert (state.images, compared(state)) == (1, ([], False))
    assert next_round(failed(0, 1, 2), 100.0) is None
