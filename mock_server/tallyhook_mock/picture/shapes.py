"""A shape for each sign, around its moment: circles are hooks, diamonds money, triangles charges."""

from tallyhook_mock.picture.story import Sign

__all__ = ["SHAPES"]

_DIAMOND = '<path class="s" d="M0 -6.5L6.5 0 0 6.5 -6.5 0Z"/>'

SHAPES = {
    Sign.COMING: _DIAMOND,
    Sign.USED: '<circle class="s" r="3"/>',
    Sign.BEGAN: '<circle class="s" r="4"/>',
    Sign.REACTIVATED: '<path class="s" d="M-3.5 -5L5 0 -3.5 5Z"/>',
    Sign.CHANGED: '<path class="s" d="M-6 0L-2 -4V-1.2H2V-4L6 0 2 4V1.2H-2V4Z"/>',
    Sign.CHARGE: '<path class="s" d="M0 -5L5.5 4H-5.5Z"/>',
    Sign.CREDIT: '<path class="s" d="M0 5L5.5 -4H-5.5Z"/>',
    Sign.ACKNOWLEDGED: '<circle class="s" r="5"/><path class="tick" d="M-2.5 .2L-.7 2 2.6 -1.7"/>',
    Sign.PAID: f'{_DIAMOND}<path class="tick" d="M-2.3 .2L-.6 1.8 2.3 -1.5"/>',
    Sign.GIVEN_BACK: f'{_DIAMOND}<path class="s" d="M-2.5 0H2.5"/>',
    Sign.FAULT: '<path class="s" d="M1.5 -6L-3 1H2L-1.5 6"/>',
    Sign.CANCELED: '<path class="s" d="M-4 -4H4V4H-4Z"/>',
    Sign.FAILED: '<circle class="s" r="5.2"/><path class="s" d="M-1.9 -1.9L1.9 1.9M1.9 -1.9L-1.9 1.9"/>',
    Sign.DECLINED: f'{_DIAMOND}<path class="s" d="M-2 -2L2 2M2 -2L-2 2"/>',
}
