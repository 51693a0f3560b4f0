//! One suite of facts about an API server, asked of the sandbox and of a real one, so that the first cannot drift from the
//! second. What a fact says was seen on kube-apiserver 1.36.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(feature = "sandbox")]

#[path = "../support/envtest.rs"]
mod envtest;

mod support;

mod apply;
mod defaults;
mod deletes;
mod discovery;
mod forms;
mod lists;
mod ownership;
mod refusals;
mod scale;
mod watches;
mod writes;

/// Two tests of each fact.
macro_rules! facts {
    ($($topic:ident: $($fact:ident)+;)+) => {
        mod sandbox { $( mod $topic { $(
            #[tokio::test]
            async fn $fact() {
                let server = crate::support::Server::sandbox(stringify!($fact)).await;
                crate::$topic::$fact(&server).await;
            }
        )+ } )+ }
        mod real { $( mod $topic { $(
            #[tokio::test]
            #[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
            async fn $fact() {
                let server = crate::support::Server::real(stringify!($fact)).await;
                crate::$topic::$fact(&server).await;
            }
        )+ } )+ }
    };
}

facts! {
    ownership:
        an_apply_owns_exactly_what_it_sent
        a_create_owns_what_it_sent_and_every_default
        what_the_server_allocates_has_no_owner
        an_update_takes_the_fields_that_it_changes
        empty_maps_and_nulls_are_owned_as_they_were_sent
        plain_secret_values_are_owned_where_they_were_sent
        a_create_keeps_the_entries_that_it_was_sent
        tracking_that_was_switched_off_stays_off_until_an_apply
        a_field_is_handed_over_by_rewriting_the_entry
        a_status_write_can_own_metadata
        kubectl_moves_from_client_side_to_server_side_apply;
    apply:
        the_same_apply_changes_nothing
        a_dry_run_changes_nothing
        a_dropped_field_falls_to_its_default_or_goes
        a_dropped_field_that_another_owns_stays
        a_conflict_names_each_field_and_its_owner
        owning_together_needs_no_force_and_writes_no_time
        an_empty_map_is_a_value_of_its_own
        two_appliers_of_one_name_erase_each_other
        an_atomic_list_is_replaced_whole
        items_merge_by_key_and_go_with_what_they_held
        quantities_are_normalised
        an_applied_version_is_a_precondition
        an_applied_uid_makes_nothing_anew_and_an_applied_version_does
        an_apply_may_be_yaml
        an_apply_that_makes_no_sense_is_refused
        a_terminating_object_takes_an_apply_but_no_finalizer;
    scale:
        a_scale_shows_replicas_and_selector
        scaling_takes_the_replicas_from_everyone
        scaling_what_nobody_owns_leaves_it_so
        scaling_to_zero_leaves_no_owner
        a_scale_can_be_applied
        a_negative_scale_is_refused;
    defaults:
        a_deployment_gets_every_default
        volumes_and_sources_get_their_defaults
        services_get_the_defaults_of_their_type
        a_change_of_type_takes_along_what_depended_on_it
        zero_values_stay_where_they_mean_something;
    writes:
        a_new_object_has_an_identity
        generations_count_changes_of_the_specification
        a_put_is_held_to_its_version
        a_put_of_the_same_changes_nothing
        json_patches_test_and_change
        merge_patches_remove_with_null
        strategic_patches_merge_by_key
        a_status_write_changes_status_only
        events_are_the_same_in_both_groups
        a_lease_is_made_by_a_put;
    refusals:
        an_object_that_exists_is_not_made_again
        a_missing_namespace_is_named
        every_bad_field_is_named
        unknown_fields_warn_or_are_refused
        wrong_types_are_refused
        what_is_immutable_stays
        options_that_no_server_takes_are_refused
        unknown_paths_and_verbs_are_told_apart;
    deletes:
        preconditions_are_held
        a_delete_answers_with_what_it_deleted
        finalizers_hold_an_object
        a_collection_is_deleted_by_label
        a_namespace_takes_its_objects_along
        some_namespaces_stay;
    lists:
        a_list_leaves_the_kind_of_its_items_out
        pages_show_one_moment
        labels_and_fields_select
        bad_selectors_are_refused;
    watches:
        a_watch_lists_first_and_says_when_it_has
        a_watch_goes_on_where_a_list_ended
        what_leaves_a_selector_is_deleted
        a_watch_ends_when_it_was_told_to
        a_version_of_long_ago_is_an_error_event
        options_of_a_watch_are_checked
        a_namespace_goes_after_its_objects;
    forms:
        tables_have_the_columns_of_kubectl
        metadata_alone_still_shows_owners
        a_form_that_is_not_served_is_refused;
    discovery:
        both_forms_of_discovery_name_our_kinds
        schemas_say_how_lists_merge
        health_and_version_are_told;
}
