"""Sort mails into folders by words in their subject or by their sender, English and Chinese."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from wornpath.bench.families.common import Dice, Draw, move, places_check
from wornpath.core import Task

TOPICS_TRAIN = {
    "invoices": ("invoice", "bill"),
    "meetings": ("meeting", "call"),
    "orders": ("order", "delivery"),
    "newsletters": ("newsletter", "digest"),
    "travel": ("flight", "hotel"),
}
TOPICS_TEST = {
    "payments": ("payment", "receipt"),
    "events": ("workshop", "seminar"),
    "support": ("ticket", "outage"),
    "jobs": ("application", "interview"),
}
TOPICS_ZH_TRAIN = {
    "账单": ("发票", "账单"),
    "会议": ("会议", "电话"),
    "订单": ("订单", "发货"),
    "旅行": ("机票", "酒店"),
}
TOPICS_ZH_TEST = {"付款": ("付款", "收据"), "活动": ("讲座", "培训"), "招聘": ("申请", "面试")}
SUBJECTS = (
    "Your {word} of {month}",
    "{Word} no. {number}",
    "Re: {word} for {company}",
    "About the {word}",
    "FW: {Word} {number}",
)
SUBJECTS_ZH = ("关于{word}的通知", "{word} {number}", "回复：{word}确认", "{month}月{word}")
OTHER = ("Hello again", "A short question", "Photos", "Thank you", "Keys")
OTHER_ZH = ("你好", "一个问题", "照片", "谢谢")
REST = (("other", "rest", "misc"), ("remaining", "unsorted"))
REST_ZH = (("其他", "杂项"), ("其余",))
FOLDERS_TRAIN = ("inbox", "mail", "mail/new", "mails")
FOLDERS_TEST = ("post", "messages/in")
GOALS_TRAIN = (
    "Sort the mails in {folder}/ into folders inside it by words in the subject: {rules}; all others go to {rest}",
    "File the .eml messages of {folder}/ in subfolders of {folder}, by what the subject says: {rules}; everything else to {rest}",
)
GOALS_TEST = (
    "Put each mail in {folder}/ into the subfolder of {folder} that fits its subject: {rules}; whatever is left goes to {rest}",
)
GOALS_ZH_TRAIN = ("把 {folder}/ 里的邮件按主题中的词放进它的子文件夹：{rules}；其他的放进 {rest}",)
GOALS_ZH_TEST = ("请将 {folder}/ 的邮件按主题归类到其下的文件夹：{rules}；剩下的归入 {rest}",)


def draw(seed: int) -> Draw:
    dice = Dice("sort_mail", seed)
    chinese = dice.chance(0.4)
    topics = dice.either([TOPICS_ZH_TRAIN if chinese else TOPICS_TRAIN], [TOPICS_ZH_TEST if chinese else TOPICS_TEST])
    chosen = dice.rng.sample(sorted(topics), dice.number(2, 3))
    folder, rest = dice.either(FOLDERS_TRAIN, FOLDERS_TEST), dice.either(*(REST_ZH if chinese else REST))
    files: dict[str, bytes] = {}
    truth: dict[str, str] = {}

    def add(subject: str, place: str, word: str) -> None:
        name = dice.different(lambda: f"{dice.number(100, 999)}.eml", 1, *truth)[0]
        files[f"{folder}/{name}"], truth[name] = message(dice, subject, chinese, word), place

    for topic in chosen:
        for word in topics[topic]:
            for _ in range(dice.number(1, 3)):
                pattern = dice.pick(SUBJECTS_ZH if chinese else SUBJECTS)
                subject = pattern.format(
                    word=word,
                    Word=word.capitalize(),
                    number=dice.number(100, 9999),
                    month=dice.number(1, 12),
                    company=dice.company(),
                )
                add(subject, topic, "")
    for subject in dice.rng.sample(OTHER_ZH if chinese else OTHER, dice.number(2, 3)):
        add(subject, rest, dice.pick(topics[chosen[0]]))  # a word in the text is not a word in the subject
    if chinese:
        rules = "，".join(f"{topic}（{'、'.join(topics[topic])}）" for topic in chosen)
        goal = dice.either(GOALS_ZH_TRAIN, GOALS_ZH_TEST)
    else:
        rules = ", ".join(f"{topic} ({', '.join(topics[topic])})" for topic in chosen)
        goal = dice.either(GOALS_TRAIN, GOALS_TEST)
    goal = goal.format(folder=folder, rules=rules, rest=rest)

    def sort(root: Path, places: dict[str, str]) -> None:
        for name, place in places.items():
            if place != ".":
                move(root, f"{folder}/{name}", f"{folder}/{place}/{name}")

    others = {name: "." if place == rest else place for name, place in truth.items()}
    by_text = {name: chosen[0] if place == rest else place for name, place in truth.items()}
    all_rest = dict.fromkeys(truth, rest)
    return Draw(
        Task(goal, dict(sorted(files.items())), (places_check(folder, truth),)),
        lambda root: sort(root, truth),
        {
            "the others left where they were": lambda root: sort(root, others),
            "words in the text counted too": lambda root: sort(root, by_text),
            "everything to the rest": lambda root: sort(root, all_rest),
        },
    )


def message(dice: Dice, subject: str, chinese: bool, word: str) -> bytes:
    """One mail as a file; a subject in Chinese is encoded as mail programs do."""
    mail = EmailMessage(policy=SMTP)
    who = dice.person()
    mail["From"] = f"{who} <{who.lower().replace(' ', '.')}@example.org>"
    mail["To"] = "me@example.com"
    mail["Subject"] = subject
    mail["Date"] = f"Mon, {dice.number(1, 28):02d} Jun 2026 10:{dice.number(0, 59):02d}:00 +0000"
    text = (
        f"您好，{f'上次的{word}我还记得。' if word else '详情请见下文。'}\n"
        if chinese
        else f"Hello,\n\nplease see below{f', as with the {word} last time' if word else ''}.\n\n{who}\n"
    )
    mail.set_content(text, cte="base64" if chinese else "7bit")
    return mail.as_bytes()
