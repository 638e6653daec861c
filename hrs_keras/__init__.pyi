# The public names with their types; __init__.py imports each when it is first used.

from hrs_keras.data.audit import audit as audit
from hrs_keras.data.prepared.prepare import prepare_data as prepare_data
from hrs_keras.errors import HRSError as HRSError
from hrs_keras.evaluation.run import EvaluateOptions as EvaluateOptions
from hrs_keras.evaluation.run import evaluate_run as evaluate_run
from hrs_keras.export.options import ExportOptions as ExportOptions
from hrs_keras.export.run import export_run as export_run
from hrs_keras.predict.files import PredictOptions as PredictOptions
from hrs_keras.predict.files import predict_files as predict_files
from hrs_keras.predict.views import View as View
from hrs_keras.ranking.options import RankOptions as RankOptions
from hrs_keras.ranking.run import rank_images as rank_images
from hrs_keras.recipe import Recipe as Recipe
from hrs_keras.recipe import load_recipe as load_recipe
from hrs_keras.report.run import ReportOptions as ReportOptions
from hrs_keras.report.run import report_run as report_run
from hrs_keras.serving import ServedModel as ServedModel
from hrs_keras.serving import ServingClient as ServingClient
from hrs_keras.serving.request import RequestOptions as RequestOptions
from hrs_keras.serving.request import request_files as request_files
from hrs_keras.training.run import train as train

__version__: str
