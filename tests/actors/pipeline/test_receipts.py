from actors.pipeline.receipts import Receipts


async def test_whoever_waits_hears() -> None:
    receipts = Receipts()
    event = receipts.expect("a")
    receipts.give("b")
    assert not event.is_set()
    receipts.give("a")
    await event.wait()
    assert len(receipts) == 0


async def test_who_no_longer_waits_is_not_told() -> None:
    receipts = Receipts()
    event = receipts.expect("a")
    receipts.forget("a")
    receipts.forget("a")
    receipts.give("a")
    assert not event.is_set()
    assert len(receipts) == 0
