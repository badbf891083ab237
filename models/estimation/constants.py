"""What the two-stage estimator was tuned with, in one place, each with its reason.

No length is given in metres. A length follows from the wavelength (how far apart lobes are), from the beam (how far
apart a linear array can tell targets apart: distance x wavelength / aperture), from the step of the map or from the
side of the area. Powers are explained powers over sigma^2, which are log-likelihoods. What a kernel needs for its own
sake (sizes of blocks, costs of operations) stands with the kernel.
"""

import math

# -- where to look: the non-coherent map ------------------------------------------------------------------------------

NEAREST = 12
"""Transmitters, and receivers, that tell of a place: a target's echo falls with the fourth power of the distance, and
all further pairs of APs add more noise to the map than signal."""

N_RIVALS = 4
"""Further maxima of the map that may turn out higher once polished."""

RING_RADII, RING_STEPS, RING_ANGLES = 8, (0.0143, 0.43), 3
"""Rings about each AP: number, radii in steps of the map for each antenna interval, points for each antenna. A target
beside an AP lights up a ray from it, but not its own cell: cells of the map are wider there than the beam."""

N_PATCHES, PATCH_BEAMS, PATCH_HALF = 3, 1.5, 1.2
"""Points of the map about which it is looked at again where the beam of the nearest AP is not so many steps wide, and
half width of such a patch in steps: a cell can lie between the beam and its side lobes."""

POINTS_PER_BEAM, MOST_TICKS = 3.0, 41
"""Of a patch: points along a beam, and along a side of it at most."""

N_MIRRORS, MIRROR_SHARE, MIRROR_DEPTH = 4, 0.3, 2
"""Mirror images of the best peak about arrays, which a linear array cannot tell apart, that are polished: those that
explain this share of what the peak does, before they are. And how often images of images are looked at."""

PEAK_NEAR, PEAK_BEAMS = 0.1, 0.1
"""Longest step of a peak that is polished: in distances from the nearest AP, and in beams."""

OUTSIDE = 0.05
"""A non-coherent peak of a target near the edge may lie this far outside of the area, in its sides."""

# -- which lobe -------------------------------------------------------------------------------------------------------

N_SIGMA, SMALLEST_LAMBDA = 3.5, 3.5
"""Half axes of the ellipse that is searched: standard deviations, and at least some wavelengths."""

INNER = 0.63
"""Share of the ellipse's axes that is searched first, 2.2 sigma: nine of ten right lobes lie there."""

SAME_PEAK = 0.5
"""Share of the ellipse's axes within which polished peaks are one: climbing stops short on a ridge."""

QUICK_POWER = 100.0
"""Power to explain below which lobes are hardly ever told apart: one peak of several is looked at first to see that."""

QUICK_LAMBDA2 = 1e4
"""Product of half axes, in square wavelengths, beyond which a quick look is not quick: some ten milliseconds."""

ROUGHLY_ENOUGH = 0.95
"""Share of the power to explain below which a lobe that is not polished yet is none: polishing adds a hundredth."""

LEVEL = 10.0
"""Non-coherent power below the best down to which lobes are looked for: the right one lies lower once in 20,000."""

WIDEST_BEAMS = 2.0
"""An ellipse that reaches further is not searched at all."""

RIVAL_MARGIN, RIVAL_SHARE = 15.0, 0.002
"""Peaks this close to the best, plus a share of its power, are searched for lobes too."""

LARGEST_SEARCH_LAMBDA2 = 2e5
"""No further ellipse is searched once so many square wavelengths have been: some minutes of computing."""

LARGEST_TILE = 0.02
"""Of a beam: side of the tiles of the search, over which each leg counts as a plane wave."""

EDGE_LAMBDA = 1.0
"""A lobe may lie this far outside of the area."""

N_LEADING, LEADING_STEPS = 6, 30
"""Lobes polished to the end: two starts in one lobe must not pass for two lobes."""

SAME_LOBE_LAMBDA = 0.05
"""Polished positions this close are the same lobe: lobes are half a wavelength wide."""

NEARLY_COHERENT, N_UNCERTAIN_LOBES = 0.98, 128
"""Share of the power that errors of the APs' phases may take before so many lobes are looked at more closely."""

COARSE_GAIN, LOBE_GAIN = 1e-2, 1e-2
"""Power that a step of polishing must promise."""

# -- whether it is one ------------------------------------------------------------------------------------------------

MAX_TARGETS, MAX_ROUNDS = 20, 2
"""Targets looked for, and rounds of looking for other explanations of what does not fit."""

TARGET_PRICE = 20.0
"""Power that a coherent target must add: noise alone explains 20 at the best of 5e8 lobes."""

SAFE_LEAD = 40.0
"""A lobe that is ahead by this much is not questioned again in a model that fits."""

UNCHANGED, UNCHANGED_LEAD = 1.0, 0.5
"""Change of the power to explain below which lobes are not compared again: in any case, and as a share of the lead that
a lobe has to spare."""

LEAST_LEAD = math.log(20.0)
"""Logarithm of the odds of a coherent answer: 20 to 1 at least, far more for most, so not one in a hundred is wrong."""

MISFIT_PROBABILITY = 1e-3
"""Of taking a target of the right model for a misfit."""

SPARED = 3.0
"""Targets like the strongest that are not taken for errors of the model when these are measured."""

LEAST_MOVE_LAMBDA = 1.0
"""A target without a lobe that moved less is the same."""

SAME_TARGET_BEAMS = 0.1
"""How far the others may have moved a target without a lobe since it was looked at."""

RELAX_CYCLES, LEAST_PROGRESS = 2, 2.0
"""Times that every target is looked at again, and what a cycle must add to the score for another."""

N_FREE_LOBES, CREDIBLE_SHARE = 12, 0.5
"""Lobes polished with free amplitudes, where isotropic ones explain this share of the power or lead safely."""

MIXED_CYCLES, CONVERGED = 3, 1e-6
"""Rounds over the models when targets of different models influence each other, and the power below which positions
count as converged."""

REFINE_BEAMS = 0.01
"""Longest step of a target without a lobe when all are refined."""

MOTION_GAIN, MOTION_LEAVES = 10.0, 0.1
"""Power that a velocity must add: noise alone adds as much to one target in a thousand, over all velocities tried. And
the share that it may leave of what a target at rest leaves: an acceleration, a turn within a slot."""

STILL_GAIN = 6.0
"""Power up to which a velocity may add to what a lobe explains of a target that is at rest: noise alone adds more to
one in 200, and a target that moves a little, within its lobe, is off by some bounds."""

DOUBT_LEAD, DOUBT_SHARE = 20.0, 0.1
"""Lead that a lobe needs where links quantise coarsely, or beside another target that is not understood, and the share
of its own power up to which that one is no matter."""

FEW_PAIRS = 6
"""Pairs of APs below which a lobe must be safely ahead, as after a search that stopped at its limit: what four phases
cannot tell (motion, another target) makes a wrong lobe fit."""

FEWEST_PAIRS = 12
"""Pairs of APs below which a velocity, a second target, or free amplitudes explain nothing: few phases are turned by
anything."""

SPEED_STEP_RAD, MOTION_STEPS = 0.8, 8
"""Velocities tried: by how much the phase turns between the middle and the ends of the CPI from one to the next, and
how many to either side."""

WEAK_POWER = 60.0
"""Power above what noise explains below which a lobe can hardly be told from others: a target is then called weak."""

# -- two in the place of one ------------------------------------------------------------------------------------------

LEAST_PAIR_POWER = 4.0 * TARGET_PRICE
"""Less than this, over what noise explains, is not tried as two targets."""

PAIR_SHARE = 0.2
"""Share of the power that the best lobe of a mixture of two targets explains at least: the stronger one does."""

PAIR_MARGIN, CLEAR_LEAD = 5.0, 20.0
"""Lead over the second pair that two targets in the place of one need, and beside which no other pair is looked for."""

SPLIT_GAIN, CLEARLY_TWO = 25.0, 75.0
"""Power that a second point must add for two ellipses to be searched, and where one for both is not looked at."""

MAX_REPAIRS = 4
"""Targets without a lobe that are tried as pairs in one round."""

CLUSTER_BEAMS, LARGEST_CLUSTER = 1.2, 2
"""More targets without a lobe are not looked for at one place."""

NEIGHBOUR_BEAMS = 4.0
"""Targets this close may hide each other's lobes."""

N_CANDIDATES, MAX_COHERENCE = 500, 0.98
"""Lattice points of the mixture from which pairs are made; points more alike than this are one lobe."""

N_STARTS, ROUGH_STEPS, N_LEADING_PAIRS = 1000, ((1, 4), (2, 40)), 24
"""Pairs refined a little, of 36 pairs of APs (fewer of more, which tell lobes apart better), the best to the end."""

ROUNDS, LEAST_GAIN = 8, 1e-3
"""Rounds of looking for the second target, given points of the best pairs; the power that a quick search must gain for
another."""

N_FIRSTS = {1: 32, 2: 2}
"""Points for which the second is looked for in a round, by the number of ellipses; in a quick search, of one pair."""

SECOND_HALF_BEAMS, SECOND_STEP_BEAMS = 1.2, 0.08
"""Where the second of two targets is looked for."""

START_BEAMS, N_DIRECTIONS = (0.03, 0.1, 0.24), 6
"""Starts for two points around one."""

REACH_BEAMS, DIFFER_BEAMS = 0.04, 0.1
"""Longest step of two points that are polished together, and how far apart two pairs of them differ."""

GHOST_MARGIN, MAX_ALTERNATIVES = 150.0, 3
"""Power below the best, and number, of pairs of ellipses looked at: bearings of two targets cross at ghosts, too."""

JOINT_BEAMS, WIDENED = (0.05, 0.5), 1.5
"""Smallest and largest half axis of an ellipse for both, and by how much it is wider than that of one target."""
