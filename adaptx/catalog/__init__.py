"""The catalog: known models, tasks, prompts, suites, languages and GPUs."""

from adaptx.catalog.ccg import ccg_task as ccg_task
from adaptx.catalog.languages import LANGUAGES as LANGUAGES
from adaptx.catalog.languages import language_name as language_name
from adaptx.catalog.local import local_task as local_task
from adaptx.catalog.local_file import LocalFile as LocalFile
from adaptx.catalog.methods import METHODS as METHODS
from adaptx.catalog.methods import find_method as find_method
from adaptx.catalog.models import *  # noqa: F403
from adaptx.catalog.published_results import MT5_ZERO_SHOT as MT5_ZERO_SHOT
from adaptx.catalog.published_results import PHANG_2020 as PHANG_2020
from adaptx.catalog.suites import SUITES as SUITES
from adaptx.catalog.suites import XTREME as XTREME
from adaptx.catalog.suites import XTREME_R as XTREME_R
from adaptx.catalog.tasks import *  # noqa: F403
