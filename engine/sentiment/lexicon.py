"""Words that mostly stand in good and in bad news of a company, by our own judgement, as the headlines spell them.

They help with words that are rare in the training data. No word is in both lists.
"""

from __future__ import annotations

_GOOD = """
accelerate accelerated accelerates accretive achieve achieves advance advanced advances approval approved
approves award awarded awards beat beating beats best better boom booming boost boosted boosts bounce bounces
breakthrough bright bullish buy buyback buybacks buying climb climbed climbing climbs confident deal double
doubled doubles doubling encouraging exceed exceeded exceeding exceeds expand expanded expands expansion
favorable favourable gain gained gaining gains good great grew grow growing grows growth high higher highest
highs hike hikes improve improved improvement improves improving increase increased increases jump jumped
jumping jumps landmark lifted lifts milestone momentum optimism optimistic outpace outpaced outpaces outperform
outperformance outperformed outperforming outperforms overweight partnership positive profit profitable profits
progress promising raise raised raises rallied rallies rally rallying rebound rebounded rebounds record recover
recovered recovers recovery resilient rise risen rises rising robust rose rosy skyrocket skyrockets soar soared
soaring soars solid spike spikes strength strengthen strengthens strong stronger strongest success successful
successfully surge surged surges surging surpass surpassed surpasses tailwind tailwinds top topped topping tops
triple tripled undervalued up upbeat upgrade upgraded upgrades upside upsized uptrend upward win winner winners
winning wins won
"""

_BAD = """
abandon abandoned accused allegations alleges bad bankrupt bankruptcy bear bearish below blow breach breached
broken cancel canceled cancelled cautious charge charged charges collapse collapsed collapses concern concerned
concerns contract contracted contraction contracts crash crashed crashes crisis cut cuts cutting damage debt
decline declined declines declining decrease decreased decreases default defaults deficit delay delayed delays
delist delisted delisting deteriorate deteriorating dip dipped dips disappoint disappointed disappointing
disappoints dive dives down downbeat downgrade downgraded downgrades downside downtrend downturn drag drags drop
dropped dropping drops dump dumped dumps ease eased eases erode fail failed fails failure fall fallen falling
falls fear fears fell fine fined fines fraud glut halt halted halts headwind headwinds hurt hurts investigated
investigation jobless lawsuit lawsuits layoff layoffs lose loses losing loss losses lost low lower lowered
lowers lows miss missed misses missing negative outage outflow outflows overvalued panic penalty pessimistic
plummet plummeted plummets plunge plunged plunges plunging poor pressure pressured probe probes pullback recall
recalled recalls recession reject rejected rejects resign resigned resigns restructuring risk risks sank scandal
sell selling selloff sells shortage shortfall shrank shrink shrinks shut shutdown sink sinking sinks skid skids
slash slashed slashes slid slide slides sliding slip slipped slips slow slowdown slowed slowing slows sluggish
slump slumped slumps soft softer squeeze stall stalled struggle struggles struggling stumble stumbled stumbles
sue sued sues suffer suffers suspend suspended suspends tank tanked tanks tariff tariffs tepid threat threaten
threatens threats trouble tumble tumbled tumbles tumbling turmoil uncertainty underperform underperformed
underperforms underweight unemployment unfavorable unprofitable violation vulnerable warn warned warning warns
weak weaken weakened weakens weaker weakness weigh weighed weighs worries worry worse worsen worsens worst
writedown wrong
"""

POSITIVE = frozenset(_GOOD.split())
NEGATIVE = frozenset(_BAD.split())
