"""Names and sentences that file-finding trees and goals are made of: train, dev (for choosing settings and features) and
test, disjoint in every pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "dev", "test"]
Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Names:
    """The pools of one split and language."""

    services: tuple[str, ...]
    companies: tuple[str, ...]
    people: tuple[str, ...]
    projects: tuple[str, ...]
    subjects: tuple[str, ...]
    verbs: tuple[str, ...]
    items: tuple[str, ...]
    places: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


NAMES: dict[tuple[Split, Language], Names] = {
    ("train", "en"): Names(
        _split(
            "billing, checkout, search, mailer, ledger, catalog, gateway, reports, identity, pricing, shipping, archiver"
        ),
        _split("Northwind, Contoso, Fabrikam, Tailspin, Litware, Adatum, Proseware, Wingtip, Lucerne, Humongous"),
        _split(
            "Maria Keller, Tom Becker, Anna Schmidt, Paul Weber, Julia Hoffmann, Mark Wagner, Laura Fischer, Jan Schulz, "
            "Nina Braun, Felix Krause"
        ),
        _split("Aurora, Falcon, Harbor, Juniper, Lantern, Meadow, Orchid, Pioneer"),
        _split("late delivery, damaged goods, price increase, contract renewal, office move, data protection"),
        _split("parse, load, merge, build, check, sort"),
        _split("copper wire, steel bolts, oak planks, glass panes, rubber seals"),
        _split("Hamburg, Bremen, Leipzig, Dresden"),
    ),
    ("dev", "en"): Names(
        _split("invoicing, forecast, webhooks, sessions, media, translator, backlog, sensors, exporter, vouchers"),
        _split("Acme, Oscorp, Aperture, Tyrell, Gringotts, Dunder, Pied Piper, Massive"),
        _split(
            "Rosa Delgado, Peter Lind, Mia Larsen, David Okafor, Irene Costa, Tomas Varga, Hanna Virtanen, Carl Jansen, "
            "Yara Haddad"
        ),
        _split("Granite, Willow, Comet, Delta, Maple, Sierra, Anchor"),
        _split("wrong address, early payment, new price list, trial period, visa papers, fire drill"),
        _split("scan, pack, group, clean, score, route"),
        _split("wool blankets, clay tiles, zinc plates, paper rolls, cork boards"),
        _split("Oslo, Malmo, Tampere, Aarhus"),
    ),
    ("test", "en"): Names(
        _split("payments, inventory, scheduler, notifier, accounts, recommender, uploader, tracking, loyalty, audit"),
        _split("Globex, Initech, Hooli, Vandelay, Stark, Wonka, Umbrella, Cyberdyne, Soylent"),
        _split(
            "Clara Novak, Oliver Dunn, Sofia Rossi, Henry Clarke, Elena Petrova, Lucas Martin, Grace Murphy, Ivan Horvat, "
            "Alice Moreau"
        ),
        _split("Basalt, Cobalt, Drift, Ember, Quartz, Saffron, Tundra"),
        _split("missing parts, payment terms, site visit, staff training, warranty claim, safety inspection"),
        _split("fetch, render, split, verify, convert, rank"),
        _split("brass valves, nylon rope, pine boards, solar cells, drill bits, paint cans"),
        _split("Lyon, Turin, Porto, Ghent"),
    ),
    ("train", "zh"): Names(
        _split("账单, 结算, 搜索, 邮件, 台账, 商品, 网关, 报表, 身份, 定价"),
        _split("东方贸易, 华信科技, 宏达实业, 金桥物流, 蓝海电子, 瑞丰食品, 新元机械, 长青农业"),
        _split("张伟, 王芳, 李娜, 刘洋, 陈静, 杨帆, 赵磊, 黄敏"),
        _split("星河, 远山, 晨曦, 飞鹰, 青松, 明湖"),
        _split("延迟交货, 货物破损, 价格上调, 合同续签, 办公室搬迁"),
        _split("parse, load, merge, build, check, sort"),
        _split("铜线, 钢管, 木板, 玻璃片, 橡胶圈"),
        _split("苏州, 无锡, 常州"),
    ),
    ("dev", "zh"): Names(
        _split("开票, 预测, 回调, 会话, 媒体, 翻译, 排班, 传感"),
        _split("正阳建材, 海纳旅游, 云峰化工, 立信会计, 百川纸业, 国丰粮油, 银杏出版"),
        _split("何军, 高洁, 林涛, 罗敏, 梁艳, 宋凯, 唐宁"),
        _split("昆仑, 长河, 银杉, 海棠, 白鹭"),
        _split("地址错误, 提前付款, 试用期限, 签证材料, 消防演习"),
        _split("scan, pack, group, clean, score, route"),
        _split("毛毯, 瓷砖, 锌板, 纸卷, 软木"),
        _split("大连, 宁波, 昆明"),
    ),
    ("test", "zh"): Names(
        _split("支付, 库存, 调度, 通知, 账户, 推荐, 物流, 会员"),
        _split("天宇集团, 恒通运输, 嘉禾医药, 博文教育, 盛世传媒, 安泰保险, 凯旋体育"),
        _split("周杰, 吴倩, 徐涛, 孙丽, 马超, 朱琳, 郭峰"),
        _split("北斗, 雪原, 赤峰, 云帆, 金石"),
        _split("零件缺失, 付款条件, 现场考察, 员工培训, 保修申请"),
        _split("fetch, render, split, verify, convert, rank"),
        _split("铝板, 尼龙绳, 电缆, 轴承, 油漆"),
        _split("青岛, 厦门, 成都"),
    ),
}

SETTINGS: dict[tuple[Split, Language], tuple[str, ...]] = {
    ("train", "en"): ("port", "timeout", "region", "workers"),
    ("dev", "en"): ("interval", "quota", "shards", "zone"),
    ("test", "en"): ("memory", "retention", "replicas", "port"),
    ("train", "zh"): ("端口", "超时", "区域", "线程数"),
    ("dev", "zh"): ("间隔", "配额", "分片数", "分区"),
    ("test", "zh"): ("内存", "保留天数", "副本数", "端口"),
}

GOALS: dict[str, dict[tuple[Split, Language], tuple[str, ...]]] = {
    "setting": {
        ("train", "en"): (
            "Which {key} is set for the {service} service?",
            "What {key} does the {service} service run with?",
            "Tell me the {key} in the configuration of {service}.",
        ),
        ("dev", "en"): ("What has been configured as {key} in {service}?", "Check the {key} of our {service} service."),
        ("dev", "zh"): ("{service}服务用的{key}是多少?", "看看{service}服务把{key}设成了什么"),
        ("test", "en"): (
            "{service} service: look up its {key}",
            "I need to know the {key} that {service} has been given.",
        ),
        ("train", "zh"): ("{service}服务的{key}是多少?", "请告诉我{service}服务配置的{key}。"),
        ("test", "zh"): ("查一下{service}服务设定的{key}", "{service}服务现在的{key}是什么?"),
    },
    "invoice": {
        ("train", "en"): (
            "What is the total of invoice {number}?",
            "How much is invoice {number} to {company} in total?",
            "Find the total on {number}.",
        ),
        ("dev", "en"): ("I need the total that invoice {number} comes to.", "Total for {number} ({company})?"),
        ("dev", "zh"): ("{number}号发票一共合计多少?", "帮我看发票{number}的合计数"),
        ("test", "en"): ("{number}: total amount?", "Look up invoice {number} and give me its total."),
        ("train", "zh"): ("发票{number}的合计是多少?", "{company}的发票{number}合计多少钱?"),
        ("test", "zh"): ("请查发票{number}合计金额", "给我{number}这张发票的合计"),
    },
    "letter": {
        ("train", "en"): (
            "Who signed the letter to {company} about {subject}?",
            "Our letter to {company} on {subject}: who signed it?",
        ),
        ("dev", "en"): (
            "Whose name is signed under the {subject} letter for {company}?",
            "{company}, letter on {subject}: signed by?",
        ),
        ("dev", "zh"): ("{company}的{subject}来信由谁签名?", "关于{subject}寄给{company}的信,签名的人是谁?"),
        ("test", "en"): (
            "Find the person who signed the {subject} letter to {company}.",
            "By whom was the letter to {company} regarding {subject} signed?",
        ),
        ("train", "zh"): ("给{company}的关于{subject}的信是谁签名的?", "谁在给{company}的{subject}信上签名?"),
        ("test", "zh"): ("致{company}的{subject}信函签名人是谁?", "{company}那封{subject}的信,签名的是哪位?"),
    },
    "contact": {
        ("train", "en"): ("What is the phone number of {person}?", "Tell me the phone of {person}."),
        ("dev", "en"): ("How can I reach {person} by phone?", "Phone number for {person}?"),
        ("dev", "zh"): ("怎么打电话给{person}?", "{person}的联系电话"),
        ("test", "en"): ("I want to call {person}: which phone number?", "{person} phone"),
        ("train", "zh"): ("{person}的电话是多少?", "请给我{person}的电话。"),
        ("test", "zh"): ("我要打给{person},电话号码是什么?", "查{person}电话"),
    },
    "log": {
        ("train", "en"): (
            "Which error code did the {service} service log on {date}?",
            "What was the error code of {service} on {date}?",
        ),
        ("dev", "en"): (
            "On {date} {service} failed; with what error code?",
            "{service} log of {date}: which code came with the error?",
        ),
        ("dev", "zh"): ("{date}那天{service}服务的错误代码是哪个?", "{service}服务{date}报错,给我代码"),
        ("test", "en"): (
            "{date}, {service}: error code in the log?",
            "Give the code of the error that {service} hit on {date}.",
        ),
        ("train", "zh"): ("{service}服务在{date}的错误代码是什么?", "{date}{service}日志里的错误代码是多少?"),
        ("test", "zh"): ("查{date}{service}服务报出的错误代码", "{service}服务{date}出错,代码是几?"),
    },
    "code": {
        ("train", "en"): ("In which file is the function {function} defined?", "Where is {function} defined?"),
        ("dev", "en"): (
            "Show me which file defines {function}.",
            "Path to the source file where {function} has its definition?",
        ),
        ("dev", "zh"): ("{function}这个函数在什么文件里定义?", "给出定义{function}的文件"),
        ("test", "en"): ("Locate the file with the definition of {function}.", "{function} is defined in what file?"),
        ("train", "zh"): ("函数{function}定义在哪个文件?", "哪个文件定义了{function}?"),
        ("test", "zh"): ("找到定义{function}的文件路径", "{function}函数的定义位于哪份文件?"),
    },
    "newest": {
        ("train", "en"): (
            "Which file holds the latest minutes of project {project}?",
            "Find the file with the most recent minutes of {project}.",
        ),
        ("dev", "en"): (
            "Where are the latest {project} minutes kept?",
            "Which file has the minutes of the last {project} meeting?",
        ),
        ("dev", "zh"): ("{project}项目最近的会议纪要在哪里?", "要{project}最新一次会议纪要的文件"),
        ("test", "en"): (
            "Path of the newest minutes for {project}, please.",
            "The last minutes of the {project} project: what file?",
        ),
        ("train", "zh"): ("{project}项目最新的会议纪要是哪个文件?", "找出{project}项目最近一次会议纪要的文件。"),
        ("test", "zh"): ("{project}项目最后一份会议纪要的文件路径", "哪份文件是{project}最新会议纪要?"),
    },
    "stock": {
        ("test", "en"): (
            "How many {item} are in stock in {place}?",
            "What quantity of {item} does the {place} warehouse have?",
        ),
        ("test", "zh"): ("{place}仓库还有多少{item}?", "{place}的{item}数量是多少?"),
    },
    "mail": {
        ("dev", "en"): ("What is the mail of {person}?", "I have to write to {person}: which mail?"),
        ("dev", "zh"): ("{person}的邮箱是什么?", "查一下{person}用哪个邮箱"),
    },
}
"""Sentences by family. `stock` has none but for tests, `mail` none but for dev."""
FAMILIES: tuple[str, ...] = tuple(f for f in GOALS if ("test", "en") in GOALS[f])
DEV_FAMILIES: tuple[str, ...] = tuple(f for f in GOALS if ("dev", "en") in GOALS[f])
TRAIN_FAMILIES: tuple[str, ...] = tuple(f for f in FAMILIES if ("train", "en") in GOALS[f])
