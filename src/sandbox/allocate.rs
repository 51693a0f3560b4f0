//! Owns what the API server gives a Service by itself: addresses, node ports, IP families, and the fields that go when
//! its type changes. Must never allocate at random: the same requests give the same addresses.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::status::Cause;

/// Addresses given out on request run from here; those below are for the server itself.
const FIRST_ADDRESS: u32 = 0x0a60_0010;
const LAST_ADDRESS: u32 = 0x0a60_fffe;
/// 10.96.0.0/16.
const NETWORK: u32 = 0x0a60_0000;
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30000..=32767;

/// What other Services have taken.
#[derive(Default)]
pub(super) struct Taken {
    addresses: BTreeSet<String>,
    node_ports: BTreeSet<u64>,
}

impl Taken {
    /// What these Services have.
    pub fn by<'a>(services: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut taken = Self::default();
        for service in services {
            let addresses = service.pointer("/spec/clusterIPs").and_then(Value::as_array);
            taken.addresses.extend(addresses.into_iter().flatten().filter_map(Value::as_str).map(String::from));
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            taken.node_ports.extend(ports.into_iter().flatten().filter_map(|port| port.get("nodePort")?.as_u64()));
        }
        taken
    }

    fn address(&self) -> Option<String> {
        (FIRST_ADDRESS..=LAST_ADDRESS).map(print_address).find(|address| !self.addresses.contains(address))
    }

    fn node_port(&self) -> Option<u64> {
        NODE_PORTS.into_iter().find(|port| !self.node_ports.contains(port))
    }
}

fn print_address(address: u32) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

/// Drops what depended on the type that the Service had, and carries over what was allocated.
pub(super) fn carry_over(live: &Value, service: &mut Value) {
    let of = |service: &Value| service.pointer("/spec/type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    let (was, is) = (of(live), of(service));
    let (Some(old), Some(spec)) = (live.get("spec"), service.get_mut("spec").and_then(Value::as_object_mut)) else {
        return;
    };
    let same = |spec: &Map<String, Value>, key: &str| spec.get(key) == old.get(key);
    let needs_address = |of: &str| of != "ExternalName";
    if needs_address(&was) && !needs_address(&is) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if same(spec, key) {
                spec.remove(key);
            }
        }
    }
    if was == "ExternalName" && is != "ExternalName" && same(spec, "externalName") {
        spec.remove("externalName");
    }
    let needs_node_port = |of: &str| matches!(of, "NodePort" | "LoadBalancer");
    if needs_node_port(&was) && !needs_node_port(&is) {
        if same(spec, "externalTrafficPolicy") {
            spec.remove("externalTrafficPolicy");
        }
        let old_ports = node_ports(old);
        for port in ports(spec) {
            if port.get("nodePort").and_then(Value::as_u64).is_some_and(|number| old_ports.contains(&number)) {
                port.remove("nodePort");
            }
        }
    }
    if was == "LoadBalancer" && is != "LoadBalancer" {
        for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"] {
            if same(spec, key) {
                spec.remove(key);
            }
        }
    }
    if needs_address(&was) && needs_address(&is) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = old.get(key)
                && !spec.contains_key(key)
            {
                spec.insert(key.into(), value.clone());
            }
        }
    }
    if needs_node_port(&was) && needs_node_port(&is) {
        let old_ports = old.get("ports").and_then(Value::as_array).cloned().unwrap_or_default();
        for port in ports(spec) {
            let same_port = |old: &&Value| ["port", "protocol"].iter().all(|key| old.get(key) == port.get(*key));
            let number = old_ports.iter().find(same_port).and_then(|old| old.get("nodePort")).cloned();
            if let Some(number) = number.filter(|_| !port.contains_key("nodePort")) {
                port.insert("nodePort".into(), number);
            }
        }
    }
}

fn ports(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn node_ports(spec: &Value) -> Vec<u64> {
    let ports = spec.get("ports").and_then(Value::as_array);
    ports.into_iter().flatten().filter_map(|port| port.get("nodePort")?.as_u64()).collect()
}

/// Gives a Service what it lacks. `live`: what it was, when it is there already.
///
/// # Errors
///
/// When it asks for what is taken, or for what may not change.
pub(super) fn allocate(service: &mut Value, live: Option<&Value>, taken: &mut Taken) -> Result<(), Cause> {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
    let of = spec.get("type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    if of == "ExternalName" {
        return Ok(());
    }
    let was = live.and_then(|live| live.pointer("/spec/clusterIP")).and_then(Value::as_str).filter(|ip| !ip.is_empty());
    let asked = spec.get("clusterIP").and_then(Value::as_str).map(String::from);
    let asked = asked.or_else(|| spec.get("clusterIPs")?.get(0)?.as_str().map(String::from));
    let address = match (was, asked) {
        (Some(was), Some(asked)) if was != asked => {
            return Err(Cause::invalid("spec.clusterIPs[0]", &json!([asked]), "may not change once set"));
        }
        (Some(was), _) => was.to_owned(),
        (None, Some(asked)) if asked == "None" => asked,
        (None, Some(asked)) => checked(asked, taken)?,
        (None, None) => match taken.address() {
            Some(address) => address,
            None => return Err(Cause::forbidden("spec.clusterIPs", "range is full")),
        },
    };
    let headless = address == "None";
    if !headless {
        taken.addresses.insert(address.clone());
    }
    spec.insert("clusterIP".into(), address.clone().into());
    spec.insert("clusterIPs".into(), json!([address]));
    // A headless Service without a selector may be of any family.
    let any_family = headless && spec.get("selector").is_none();
    let (families, policy) =
        if any_family { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
    for (key, value) in [("ipFamilies", families), ("ipFamilyPolicy", policy.into())] {
        if !spec.contains_key(key) {
            spec.insert(key.into(), value);
        }
    }
    let wants_ports = of == "NodePort"
        || (of == "LoadBalancer" && spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)));
    for port in ports(spec).filter(|_| wants_ports) {
        if !port.contains_key("nodePort")
            && let Some(number) = taken.node_port()
        {
            taken.node_ports.insert(number);
            port.insert("nodePort".into(), number.into());
        }
    }
    Ok(())
}

fn checked(asked: String, taken: &Taken) -> Result<String, Cause> {
    let refused = |why: &str| {
        let why = format!("failed to allocate IP {asked}: {why}");
        Err(Cause::invalid("spec.clusterIPs", &json!([asked]), &why))
    };
    match asked.parse::<std::net::Ipv4Addr>() {
        Ok(address) if u32::from(address) & 0xffff_0000 != NETWORK => {
            refused("the provided network does not match the current range")
        }
        Ok(_) if taken.addresses.contains(&asked) => refused("provided IP is already allocated"),
        Ok(_) => Ok(asked),
        Err(_) => Err(Cause::invalid("spec.clusterIPs[0]", &json!(asked), "must be a valid IP address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Value {
        json!({"spec": spec})
    }

    #[test]
    fn addresses_are_given_once_and_kept() {
        let mut taken = Taken::default();
        let mut first = service(json!({"type": "ClusterIP"}));
        let mut second = first.clone();
        allocate(&mut first, None, &mut taken).unwrap();
        allocate(&mut second, None, &mut taken).unwrap();
        assert_eq!(first["spec"]["clusterIP"], "10.96.0.16");
        assert_eq!(second["spec"]["clusterIPs"], json!(["10.96.0.17"]));
        let mut put = service(json!({"type": "ClusterIP"}));
        carry_over(&first, &mut put);
        allocate(&mut put, Some(&first), &mut taken).unwrap();
        assert_eq!(put, first);
    }

    #[test]
    fn an_address_may_be_asked_for_but_not_changed() {
        let mut taken = Taken::default();
        let mut fixed = service(json!({"clusterIP": "10.96.7.7"}));
        allocate(&mut fixed, None, &mut taken).unwrap();
        let again = allocate(&mut fixed.clone(), None, &mut taken).unwrap_err();
        assert!(again.message.ends_with("provided IP is already allocated"), "{}", again.message);
        let mut moved = service(json!({"clusterIP": "10.96.9.9"}));
        assert!(allocate(&mut moved, Some(&fixed), &mut taken).is_err());
        let mut outside = service(json!({"clusterIP": "10.97.7.7"}));
        assert!(allocate(&mut outside, None, &mut taken).is_err());
    }

    #[test]
    fn what_depended_on_the_type_goes_with_it() {
        let mut taken = Taken::default();
        let mut node =
            service(json!({"type": "NodePort", "externalTrafficPolicy": "Cluster", "ports": [{"port": 80}]}));
        allocate(&mut node, None, &mut taken).unwrap();
        assert_eq!(node["spec"]["ports"][0]["nodePort"], 30000);
        let mut plain = node.clone();
        plain["spec"]["type"] = "ClusterIP".into();
        carry_over(&node, &mut plain);
        assert_eq!(plain["spec"]["ports"], json!([{"port": 80}]));
        assert_eq!(plain["spec"].get("externalTrafficPolicy"), None);
        let mut external = plain.clone();
        external["spec"]["type"] = "ExternalName".into();
        carry_over(&plain, &mut external);
        assert_eq!(external["spec"].get("clusterIP"), None);
    }
}
