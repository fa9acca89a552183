namespace Mesh.Discovery.Tests.Configuration;

internal static class ConfigurationSamples
{
    /// <summary>Every key of the section once, and every object at least once.</summary>
    public const string Full = """
        { "Mesh": {
            "Service": "productpage",
            "Namespace": "prod",
            "Labels": { "version": "v1" },
            "Locality": { "Region": "eu", "Zone": "eu-1", "SubZone": "rack-7" },
            "Weight": 2,
            "Advertise": "http://10.1.2.3:8080",
            "Discovery": {
              "Providers": [ "File", "Configuration" ],
              "File": { "Path": "/var/mesh", "PollInterval": "100ms", "HeartbeatInterval": "2s", "Expiry": "10s" },
              "Consul": {
                "Address": "https://consul.example.com:8501", "Datacenter": "dc2", "Token": "00000000-0000-4000-8000-000000000000",
                "TokenFile": "/run/secrets/consul", "AllowStale": false, "PassingOnly": true, "WaitTime": "30s",
                "RequestTimeout": "5s", "ShrinkHold": "2m", "SavedViewPath": "/var/mesh/consul", "TaggedAddress": "wan", "Follow": [ "reviews", "ratings.prod" ], "Tags": [ "blue", "green" ],
                "Tls": {
                  "CaFile": "/etc/ca.pem", "CertificateFile": "/etc/own.pem", "KeyFile": "/etc/own.key",
                  "ServerName": "server.dc2.consul", "Verify": false },
                "Check": {
                  "Type": "Grpc", "Interval": "10s", "Timeout": "1s", "Path": "/health?deep=1",
                  "DeregisterCriticalServiceAfter": "5m" }
              }
            },
            "Config": {
              "Files": [ "mesh/*.yaml" ], "Strict": true, "MaxFileSize": 1048576, "PollInterval": "00:00:01",
              "Consul": { "KeyPrefix": "/infra/mesh", "ConfigEntries": false, "Intentions": false }
            },
            "Outbound": {
              "UnknownHosts": "Refuse", "UnknownHostTimeout": "20s", "FirstViewTimeout": "3s", "Timeout": "1m", "PerTryTimeout": "0s",
              "IdleTimeout": "1m", "ConnectTimeout": "2s", "RetryAttempts": 1, "HeaderFaults": true, "MaxActiveFaults": 50, "MaxActiveMirrors": 20,
              "MirrorTimeout": "5s",
              "RetryBudget": { "Percent": 12.5, "MinRetriesPerSecond": 5, "MinRetryConcurrency": 2, "Window": "20s" },
              "OutlierDetection": {
                "Consecutive5xxErrors": 7, "ConsecutiveGatewayErrors": 3, "ConsecutiveLocalOriginFailures": 4,
                "SplitExternalLocalOriginErrors": true, "Interval": "5s", "BaseEjectionTime": "20s", "MaxEjectionTime": "2m",
                "MaxEjectionTimeJitter": "1s", "MaxEjectionPercent": 50, "MinHealthPercent": 40, "SuccessRateStdevFactor": 1900,
                "SuccessRateMinimumHosts": 4, "SuccessRateRequestVolume": 50, "FailurePercentageThreshold": 80,
                "FailurePercentageMinimumHosts": 3, "FailurePercentageRequestVolume": 20 },
              "CircuitBreaker": { "FailureRatio": 0.25, "MinimumThroughput": 20, "SamplingDuration": "10s", "BreakDuration": "2s", "State": "Closed" },
              "LocalityLbSetting": { "Enabled": true, "Failover": [ { "From": "eu", "To": "us" } ], "FailoverPriority": [ "version", "rack=7" ] }
            },
            "Inbound": {
              "Deadlines": false, "TrustPriority": true,
              "Concurrency": {
                "Mode": "Enforce", "MinLimit": 5, "MaxLimit": 200, "Window": "500ms", "MaxWait": "50ms",
                "ExemptPaths": [ "/status/", "/probe" ] }
            },
            "Security": {
              "Mode": "STRICT", "Ports": { "8081": "DISABLE" }, "TrustDomain": "example.org", "TrustDomainAliases": [ "old.example.org" ],
              "ServiceAccount": "page", "RootNamespace": "mesh", "AutoMtls": true, "PathNormalization": "MERGE_SLASHES",
              "Gateways": [ "spiffe://example.org/ns/prod/sa/gateway" ],
              "Certificates": { "Source": "Files", "Development": { "Path": "/tmp/ca", "Lifetime": "1h" },
                "Files": { "Certificate": "certs/tls.crt", "Key": "certs/tls.key", "Roots": "certs/ca.crt",
                  "OtherRoots": { "partner.example": "certs/partner.crt" }, "PollInterval": "5s" } }
            },
            "Authorization": [
              { "Name": "all", "Action": "DENY", "DryRun": true, "Selector": { "MatchLabels": { "app": "productpage" } }, "Rules": [ {
                "From": [
                  { "Source": { "Principals": [ "*/sa/a" ], "NotPrincipals": [ "*/sa/b" ], "RequestPrincipals": [ "i/a" ], "NotRequestPrincipals": [ "i/b" ],
                  "Namespaces": [ "a" ], "NotNamespaces": [ "b" ], "IpBlocks": [ "10.0.0.0/8" ], "NotIpBlocks": [ "10.1.0.0/16" ],
                  "RemoteIpBlocks": [ "10.2.0.1" ], "NotRemoteIpBlocks": [ "10.2.0.2" ], "TrustDomains": [ "a.example" ], "NotTrustDomains": [ "b.example" ] } },
                  { "Source": { "ServiceAccounts": [ "a" ], "NotServiceAccounts": [ "prod/b" ] } },
                  { "Principals": [ "*/sa/a" ], "NotPrincipals": [ "*/sa/b" ], "RequestPrincipals": [ "i/a" ], "NotRequestPrincipals": [ "i/b" ],
                  "Namespaces": [ "a" ], "NotNamespaces": [ "b" ], "IpBlocks": [ "10.0.0.0/8" ], "NotIpBlocks": [ "10.1.0.0/16" ],
                  "RemoteIpBlocks": [ "10.2.0.1" ], "NotRemoteIpBlocks": [ "10.2.0.2" ], "TrustDomains": [ "a.example" ], "NotTrustDomains": [ "b.example" ] },
                  { "ServiceAccounts": [ "a" ], "NotServiceAccounts": [ "prod/b" ] } ],
                "To": [
                  { "Operation": { "Hosts": [ "a" ], "NotHosts": [ "b" ], "Ports": [ 8080 ], "NotPorts": [ "8081" ], "Methods": [ "GET" ], "NotMethods": [ "PUT" ],
                  "Paths": [ "/a/{*}/b", "/c*" ], "NotPaths": [ "/d" ] } },
                  { "Hosts": [ "a" ], "NotHosts": [ "b" ], "Ports": [ 8080 ], "NotPorts": [ "8081" ], "Methods": [ "GET" ], "NotMethods": [ "PUT" ],
                  "Paths": [ "/a/{*}/b", "/c*" ], "NotPaths": [ "/d" ] } ],
                "When": [ { "Key": "request.headers[x-a]", "Values": [ "1*" ], "NotValues": [ "12" ] } ] } ] },
              { "Name": "some", "TargetRefs": [ { "Kind": "Service", "Name": "productpage" } ], "Rules": [ {} ] },
              { "Name": "one", "TargetRef": { "Kind": "Service", "Name": "productpage" } } ],
            "RequestAuthentication": [ { "Name": "users", "Selector": { "MatchLabels": { "app": "books" } }, "JwtRules": [
              { "Issuer": "https://issuer.example", "Audiences": [ "books" ], "JwksUri": "https://issuer.example/keys",
                "FromHeaders": [ { "Name": "x-jwt", "Prefix": "JWT " } ], "FromParams": [ "token" ], "FromCookies": [ "session" ],
                "OutputPayloadToHeader": "x-payload", "OutputClaimToHeaders": [ { "Header": "x-user", "Claim": "sub" } ],
                "ForwardOriginalToken": true, "Timeout": "3s" },
              { "Issuer": "users@example.org",
                "Jwks": "{ \"keys\": [ { \"kty\": \"EC\", \"crv\": \"P-256\", \"kid\": \"k1\", \"x\": \"eNlptH0xwfv3j2xnkcPYmYp6ttuUfihxLQnkvbslcgA\", \"y\": \"hSJoumxzPG_0nSLxh1MLh5R-NMMgBzfHLKwyh_B_T0E\" } ] }" } ] },
              { "Name": "partners", "TargetRefs": [ { "Kind": "Service", "Name": "books" } ], "TargetRef": { "Kind": "Service", "Name": "shop" } } ],
            "Drain": { "Delay": "5s" },
            "Admin": { "Enabled": false, "Identities": [ "cluster.local/ns/ops/sa/console", "*/sa/admin" ] },
            "Services": { "reviews": { "Endpoints": [
              { "Address": "http://127.0.0.1:9081", "Labels": { "version": "v1" }, "Weight": 1, "SpeaksMtls": true,
                "Locality": { "Region": "eu", "Zone": "eu-1", "SubZone": "rack-7" } }
            ] } },
            "Routes": { "reviews": [
              { "Name": "everything",
                "Match": [ {
                  "Name": "m",
                  "Uri": { "Prefix": "/reviews" }, "Scheme": { "Exact": "http" }, "Method": { "Regex": "GET|HEAD" },
                  "Authority": { "Exact": "reviews" }, "Headers": { "end-user": { "Exact": "jason" } },
                  "WithoutHeaders": { "x-internal": {} }, "QueryParams": { "debug": { "Exact": "1" } }, "Port": 80,
                  "SourceLabels": { "app": "web" }, "SourceNamespace": "prod", "IgnoreUriCase": true } ],
                "Route": [
                  { "Host": "reviews", "Subset": "v1", "Port": 9080, "Weight": 75,
                    "Headers": { "Request": { "Set": { "a": "1" }, "Add": { "b": "2" }, "Remove": [ "c" ] },
                                 "Response": { "Set": { "d": "3" } } } },
                  { "Destination": { "Host": "reviews", "Subset": "v2", "Port": { "Number": 9080 } }, "Weight": 25 } ],
                "Rewrite": { "Uri": "/", "Authority": "reviews" },
                "Timeout": "2s", "IdleTimeout": "30s",
                "Retries": { "Attempts": 2, "PerTryTimeout": "500ms", "RetryOn": "5xx,connect-failure" },
                "Hedging": { "Percentile": 99, "Attempts": 2, "MaxExtraPercent": 2.5, "AnyMethod": true },
                "ResiliencePipeline": "slow-partner",
                "Headers": { "Request": { "Set": { "a": "1" } } },
                "Fault": {
                  "Delay": { "Percentage": 0.1, "FixedDelay": "2s" },
                  "Abort": { "Percentage": { "Value": 0.0001 }, "HttpStatus": 503 },
                  "HeaderControlled": true },
                "Mirror": { "Subset": "v2", "Host": "reviews", "Port": 9080 }, "MirrorPercentage": 10 },
              { "Fault": { "Abort": { "Percentage": 50, "GrpcStatus": "UNAVAILABLE" } }, "Route": [ { "Subset": "v1" } ],
                "Mirrors": [
                  { "Host": "reviews", "Subset": "v2", "Port": 9080, "Percentage": 12.5 },
                  { "Destination": { "Host": "reviews", "Subset": "v2", "Port": { "Number": 9080 } }, "Percentage": { "Value": 1 } } ] },
              { "Hedging": { "Delay": "50ms" }, "Route": [ { "Subset": "v1" } ] },
              { "Rewrite": { "UriRegexRewrite": { "Match": "^/a", "Rewrite": "/b" } }, "Route": [ { "Subset": "v1" } ] },
              { "Redirect": { "Uri": "/new", "Authority": "example.com", "Scheme": "https", "Port": 8443, "RedirectCode": 308 } },
              { "Redirect": { "DerivePort": "FROM_REQUEST_PORT" } },
              { "DirectResponse": { "Status": 503, "Body": { "String": "closed" } } },
              { "DirectResponse": { "Status": 200, "Body": { "Bytes": "AAEC" } } },
              { "Delegate": { "Name": "reviews-routes", "Namespace": "infra" } }
            ] },
            "Destinations": {
              "reviews": {
                "Subsets": {
                  "v1": { "Labels": { "version": "v1" }, "OutlierDetection": {}, "ConnectionPool": { "MaxRequests": 5 }, "RetryBudget": { "Percent": 5 }, "CircuitBreaker": {}, "ResiliencePipeline": "other",
                    "AdaptiveConcurrency": {},
                    "LoadBalancer": { "Simple": "PEAK_EWMA" } },
                  "v2": { "Labels": { "version": "v2" }, "TrafficPolicy": { "OutlierDetection": {}, "ConnectionPool": { "MaxRequests": 5 }, "RetryBudget": {}, "AdaptiveConcurrency": {},
                    "CircuitBreaker": {}, "ResiliencePipeline": "x", "LoadBalancer": { "Simple": "RANDOM" } } } },
                "OutlierDetection": { "Consecutive5xxErrors": 3 },
                "ConnectionPool": { "MaxRequests": 100, "MaxPendingRequests": 10, "MaxRetries": 3, "MaxConnections": 20, "ConnectTimeout": "1s", "IdleTimeout": "30s" },
                "RetryBudget": { "Percent": 10 },
                "CircuitBreaker": { "State": "Open" }, "ResiliencePipeline": "slow-partner",
                "AdaptiveConcurrency": { "Mode": "Shadow", "MinLimit": 4, "MaxLimit": 100, "Window": "1s" },
                "LoadBalancer": { "Simple": "LEAST_REQUEST",
                  "LocalityLbSetting": { "Distribute": [ { "From": "eu/eu-1/*", "To": { "eu/*": 80, "us": 20 } } ] },
                  "Warmup": { "Duration": "30s", "MinimumPercent": 5, "Aggression": 1.5 }, "Aperture": { "Size": 20 } } },
              "orders": { "ConnectionPool": {
                "Tcp": { "MaxConnections": 20, "ConnectTimeout": "1s" },
                "Http": { "Http2MaxRequests": 100, "Http1MaxPendingRequests": 10, "MaxRetries": 3, "IdleTimeout": "30s", "MaxRequestsPerConnection": 1 } } },
              "ratings": { "TrafficPolicy": { "OutlierDetection": {}, "ConnectionPool": { "MaxRequests": 5 }, "RetryBudget": {}, "AdaptiveConcurrency": {}, "CircuitBreaker": { "FailureRatio": 1 }, "ResiliencePipeline": "x", "LoadBalancer": { "ConsistentHash": {
                "HttpCookie": { "Name": "user", "Path": "/", "Ttl": "1h" }, "RingHash": { "MinimumRingSize": 2048 } } } } },
              "details": { "LoadBalancer": { "ConsistentHash": { "HttpHeaderName": "x-user", "Maglev": { "TableSize": 65537 } } } },
              "a": { "LoadBalancer": { "ConsistentHash": { "UseSourceIp": true, "MinimumRingSize": 1024 } } },
              "checked": { "HealthCheck": { "Type": "Http", "Path": "/live", "Interval": "5s", "Timeout": "1s", "UnhealthyThreshold": 2, "HealthyThreshold": 1, "MinHealthPercent": 30 } },
              "checked2": { "TrafficPolicy": { "HealthCheck": { "Type": "Grpc", "GrpcService": "shop.Reviews" } } },
              "secured": { "Tls": { "Mode": "MUTUAL", "SubjectAltNames": [ "partner.example.com", "spiffe://partner/api" ], "Sni": "partner.example.com",
                "CaCertificates": "certs/partner-ca.pem", "ClientCertificate": "certs/own.pem", "PrivateKey": "certs/own.key", "InsecureSkipVerify": false } },
              "secured2": { "TrafficPolicy": { "Tls": { "Mode": "MESH" } } },
              "b": { "LoadBalancer": { "ConsistentHash": { "HttpQueryParameterName": "user" } } },
              "c": { "LoadBalancer": { "ZoneAware": { "Enabled": true, "MinClusterSize": 4 } } }
            }
        } }
        """;
}
