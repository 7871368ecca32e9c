"""Names that a query may use without reading a table that s3sentinel fills.

Belongs here: the functions and words of KQL, tables of other products, and the functions of ASIM. Does not belong here:
how a query is read (``pipelines``).

A name that is in none of these lists may be a function saved in the workspace, which may read any table. So a name that
is missing here makes guards wider, and one too many may make them too narrow: only what Microsoft documents is listed
("Kusto Query Language: scalar functions, aggregation functions, plugins", "Azure Monitor Logs reference: tables",
learn.microsoft.com).
"""

import re

__all__ = ["FUNCTIONS", "OTHER_TABLES", "WINDOW_FUNCTIONS", "WORDS", "is_asim_parser", "is_other_table"]

#: Functions that look at other rows than their own.
WINDOW_FUNCTIONS = frozenset(
    """
    next prev row_cumsum row_number row_rank row_rank_dense row_rank_min row_window_session
    """.split()  # noqa: SIM905
)

#: Built-in functions: scalar, aggregation, tabular and plugins.
FUNCTIONS = WINDOW_FUNCTIONS | frozenset(
    """
    abs acos ago around array_concat array_iff array_iif array_index_of array_length array_reverse
    array_rotate_left array_rotate_right array_shift_left array_shift_right array_slice array_sort_asc
    array_sort_desc array_split array_sum asin assert atan atan2 avg bag_has_key bag_keys bag_merge bag_pack
    bag_pack_columns bag_remove_keys bag_set_key bag_zip base64_decode_toarray base64_decode_toguid
    base64_decode_tostring base64_decodestring base64_encode_fromarray base64_encode_fromguid
    base64_encode_tostring base64_encodestring beta_cdf beta_inv beta_pdf bin bin_at bin_auto binary_and
    binary_not binary_or binary_shift_left binary_shift_right binary_xor bitset_count_ones bool boolean case
    ceiling coalesce column_ifexists columnifexists convert_angle convert_energy convert_force convert_length
    convert_mass convert_speed convert_temperature convert_volume cos cot countof current_principal_details date
    datetime datetime_add datetime_diff datetime_list_timezones datetime_local_to_utc datetime_part
    datetime_utc_to_local dayofmonth dayofweek dayofyear dcount_hll decimal degrees double dynamic dynamic_to_json
    endofday endofmonth endofweek endofyear erf erfc estimate_data_size exp exp10 exp2 extent_id extent_tags
    extract extract_all extract_json extractall extractjson float floor format_bytes format_datetime format_ipv4
    format_ipv4_mask format_timespan gamma geo_distance_2points geo_geohash_to_central_point
    geo_info_from_ip_address geo_point_in_circle geo_point_in_polygon geo_point_to_geohash geo_point_to_h3cell
    geo_point_to_s2cell getmonth gettype getyear guid gzip_compress_to_base64_string
    gzip_decompress_from_base64_string has_any_index has_any_ipv4 has_any_ipv4_prefix has_ipv4 has_ipv4_prefix
    hash hash_combine hash_many hash_md5 hash_sha1 hash_sha256 hash_xxhash64 hll_merge hourofday iff iif indexof
    indexof_regex ingestion_time int ipv4_compare ipv4_is_in_any_range ipv4_is_in_range ipv4_is_match
    ipv4_is_private ipv4_netmask_suffix ipv4_range_to_cidr_list ipv6_compare ipv6_is_in_any_range ipv6_is_in_range
    ipv6_is_match isascii isempty isfinite isinf isnan isnotempty isnotnull isnull isutf8 jaccard_index log log10
    log2 loggamma long make_datetime make_string make_timespan max_of merge_tdigest min_of monthofyear new_guid
    not notempty notnull now pack pack_all pack_array pack_dictionary parse_command_line parse_csv parse_ipv4
    parse_ipv4_mask parse_ipv6 parse_ipv6_mask parse_json parse_path parse_url parse_urlquery parse_user_agent
    parse_version parse_xml parsejson percentile_array_tdigest percentile_tdigest percentrank_tdigest pi pow
    punycode_domain_from_string punycode_domain_to_string punycode_from_string punycode_to_string radians rand
    random range rank_tdigest real regex_quote repeat replace replace_regex replace_string replace_strings reverse
    round series_abs series_add series_decompose series_decompose_anomalies series_decompose_forecast
    series_divide series_equals series_fill_backward series_fill_const series_fill_forward series_fill_linear
    series_fir series_fit_2lines series_fit_2lines_dynamic series_fit_line series_fit_line_dynamic series_fit_poly
    series_greater series_greater_equals series_iir series_less series_less_equals series_multiply
    series_not_equals series_outliers series_pearson_correlation series_periods_detect series_periods_validate
    series_seasonal series_sign series_stats series_stats_dynamic series_subtract series_sum set_difference
    set_equals set_has_element set_intersect set_union sign sin split sqrt startofday startofmonth startofweek
    startofyear strcat strcat_array strcat_delim strcmp string string_size strlen strrep substring tan
    tdigest_merge time timespan tobool toboolean todatetime todecimal todouble todynamic tofloat toguid tohex
    toint tojson tolong tolower toobject toreal toscalar tostring totimespan toupper translate treepath trim
    trim_end trim_start trunc typeof unicode_codepoints_from_string unicode_codepoints_to_string
    unixtime_microseconds_todatetime unixtime_milliseconds_todatetime unixtime_nanoseconds_todatetime
    unixtime_seconds_todatetime url_decode url_decode_component url_encode url_encode_component week_of_year
    weekofyear welch_test zip zlib_compress_to_base64_string zlib_decompress_from_base64_string any anyif arg_max
    arg_min argmax argmin avgif binary_all_and binary_all_or binary_all_xor buildschema count count_distinct
    count_distinctif countif covariance covarianceif covariancep covariancepif dcount dcountif hll hll_if make_bag
    make_bag_if make_list make_list_if make_list_with_nulls make_set make_set_if makelist makeset max maxif min
    minif percentile percentiles percentiles_array percentilesw percentilesw_array percentilew stdev stdevif
    stdevp stdevpif sum sumif take_any take_anyif tdigest variance varianceif variancep variancepif datatable
    externaldata materialize view activity_counts_metrics activity_engagement activity_metrics active_users_count
    autocluster autocluster_v2 bag_unpack basket basket_v2 dcount_intersect diffpatterns infer_storage_schema
    ipv4_lookup ipv6_lookup narrow new_activity_metrics pivot preview rolling_percentile rows_near schema_merge
    sequence_detect session_count sliding_window_counts funnel_sequence funnel_sequence_completion _GetWatchlist
    _GetWatchlistAlias
    """.split()  # noqa: SIM905
)

#: Words that may stand before a bracket and call nothing.
WORDS = frozenset(
    """
    and or not in has hasprefix hassuffix has_any has_all has_cs hasprefix_cs hassuffix_cs contains contains_cs
    notcontains notcontains_cs startswith startswith_cs endswith endswith_cs between matches regex like notlike
    where filter extend project away keep rename reorder distinct summarize by on with join lookup union sort
    order asc desc nulls top take limit sample mv expand apply mvexpand mvapply parse kv kind of to typeof from
    step make series invoke evaluate fork facet partition scan step render as serialize print search find hitters
    nested getschema consume reduce declare query_parameters
    """.split()  # noqa: SIM905
)

#: Tables of other products that rules often read together with ours.
OTHER_TABLES = frozenset(
    """
    AADManagedIdentitySignInLogs AADNonInteractiveUserSignInLogs AADProvisioningLogs AADRiskyUsers
    AADServicePrincipalSignInLogs AADUserRiskEvents AlertEvidence AlertInfo Anomalies AppServiceHTTPLogs AuditLogs
    AWSEKSLogs AWSELBFlowLogs AzureActivity AzureDevOpsAuditing AzureDiagnostics AzureMetrics BehaviorAnalytics
    CloudAppEvents ConfidentialWatchlist DeviceEvents DeviceFileCertificateInfo DeviceFileEvents
    DeviceImageLoadEvents DeviceInfo DeviceLogonEvents DeviceNetworkEvents DeviceNetworkInfo DeviceProcessEvents
    DeviceRegistryEvents DnsEvents DnsInventory DynamicSummary Dynamics365Activity EmailAttachmentInfo EmailEvents
    EmailPostDeliveryEvents EmailUrlInfo Event GCPAuditLogs GoogleCloudSCC GoogleWorkspaceReports Heartbeat
    HuntingBookmark IdentityDirectoryEvents IdentityInfo IdentityLogonEvents IdentityQueryEvents LAQueryLogs
    McasShadowItReporting MicrosoftGraphActivityLogs MicrosoftPurviewInformationProtection NetworkAccessTraffic
    OfficeActivity Operation Perf PowerBIActivity ProjectActivity ProtectionStatus PurviewDataSensitivityLogs
    SecurityAlert SecurityBaseline SecurityDetection SecurityEvent SecurityIncident SecurityRecommendation
    SentinelAudit SentinelHealth SigninLogs StorageBlobLogs StorageFileLogs ThreatIntelIndicators
    ThreatIntelObjects ThreatIntelligenceIndicator UrlClickEvents Update Usage UserAccessAnalytics
    UserPeerAnalytics W3CIISLog Watchlist WindowsEvent WindowsFirewall WireData ASimAgentEventLogs
    ASimAssetEntityLogs ASimFileEventLogs ASimProcessEventLogs ASimRegistryEventLogs
    """.split()  # noqa: SIM905
)

_ASIM = re.compile(r"_Im_\w+|_ASim_\w+|im[A-Z]\w*|vim[A-Z]\w*|ASim[A-Z]\w*")


def is_other_table(name: str) -> bool:
    """Whether ``name`` is a table that s3sentinel does not fill, given that it is none of its own.

    A name that ends in ``_CL`` is one of a custom table: a saved function with such a name would have to be told.
    """
    return name in OTHER_TABLES or name.endswith("_CL")


def is_asim_parser(name: str) -> bool:
    """Whether ``name`` is one of ASIM's parsers, which unite tables of many products and of their users."""
    return _ASIM.fullmatch(name) is not None
