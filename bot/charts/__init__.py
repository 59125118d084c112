"""Pictures as PNG bytes, light or dark: payoff, price, equity, days, limits, stress and volatility.

The same curve gives the same bytes, whoever else is drawing: nothing global is read or set. Drawn to be read on a
phone: 800 × 720 pixels shown about 330 wide, so letters are large and few. Nothing is told by colour alone: losses are
hatched, lines differ in their dashes, what is marked is named.
"""

from bot.charts.bars import limits_png
from bot.charts.days import days_png
from bot.charts.equity import equity_png
from bot.charts.heat import stress_png
from bot.charts.iv import iv_png
from bot.charts.payoff import payoff_png
from bot.charts.price import price_png

__all__ = ["days_png", "equity_png", "iv_png", "limits_png", "payoff_png", "price_png", "stress_png"]
