"""What has been learnt, in use: the policy protocol and the policies that act. Needs no PyTorch."""

from wornpath.policy.counts import CountPolicy
from wornpath.policy.prior import PriorPolicy, smoothed
from wornpath.policy.protocol import Policy

__all__ = ["CountPolicy", "Policy", "PriorPolicy", "smoothed"]
