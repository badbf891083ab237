from .closed_form import closed_form_information as closed_form_information
from .closed_form import coverage as coverage
from .closed_form import position_error_bound_m as position_error_bound_m
from .fisher import target_bounds_m as target_bounds_m
from .grid import grid_map_m as grid_map_m
from .joint import joint_bounds_m as joint_bounds_m
from .maps import any_gram_map_m as any_gram_map_m
from .maps import closed_form_map_m as closed_form_map_m
