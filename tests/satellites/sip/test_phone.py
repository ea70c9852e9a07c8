from baresip import CallStats

from satellites.sip.phone import quality_of


def test_losses_are_told_where_the_other_side_sends_no_reports():
    quality = quality_of(1, CallStats(rx_packets=400, jbuf_lost=100, jbuf_jitter_ms=12), encrypted=False)
    assert (quality.received, quality.lost, quality.jitter_ms) == (400, 100, 12.0)
    assert quality.mos < 2.5


def test_reports_count_where_they_tell_of_more():
    quality = quality_of(1, CallStats(rx_packets=400, rx_lost=40, rx_jitter_ms=3.5, jbuf_lost=0), encrypted=True)
    assert (quality.lost, quality.jitter_ms, quality.encrypted) == (40, 3.5, True)
