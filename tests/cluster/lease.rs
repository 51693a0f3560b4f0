//! The Lease between two holders.

use std::time::Duration;

use kubeferry::cluster::{Cluster, Leadership, Lease, LeaseName};
use kubeferry::object::ObjectId;

use crate::support::{LIMIT, cluster, connection, kind, namespace};

async fn lease(namespace: &str, pod: &str) -> Lease {
    Lease::acquire(&connection().await, LeaseName::new(namespace, "main", pod)).unwrap()
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn the_lease_of_a_dead_holder_is_taken_over_and_a_released_one_at_once() {
    let cluster = cluster("lease").await;
    namespace(&cluster, "lease").await;
    let first = lease("lease", "one").await;
    first.wait(LIMIT).await.unwrap();
    let second = lease("lease", "two").await;
    let why = second.wait(Duration::from_secs(6)).await.unwrap_err();
    assert!(why.starts_with("one_"), "a lease that is renewed stays: {why}");

    drop(first);
    second.wait(LIMIT).await.unwrap();
    assert_eq!(*second.leadership().borrow(), Leadership::Leader { transitions: 1, term: 1 });

    second.release().await;
    let third = lease("lease", "three").await;
    third.wait(LIMIT).await.unwrap();
    assert_eq!(*third.leadership().borrow(), Leadership::Leader { transitions: 2, term: 1 });
    let id = ObjectId::new(kind("coordination.k8s.io", "Lease"), "lease", "main");
    let live = cluster.get(&id, None).await.unwrap().unwrap();
    assert_eq!(live["spec"]["leaseDurationSeconds"], 4);
    assert!(live["spec"]["holderIdentity"].as_str().unwrap().starts_with("three_"), "{live}");
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_lease_in_a_namespace_that_is_not_there_says_so() {
    let why = lease("lease-nowhere", "one").await.wait(Duration::from_secs(2)).await.unwrap_err();
    assert!(why.contains("namespaces \"lease-nowhere\" not found"), "{why}");
}
