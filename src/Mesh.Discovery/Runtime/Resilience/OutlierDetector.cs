namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>
/// Ejects endpoints of one destination that answer badly, and takes them back when their time is over (Envoy: outlier
/// detection).
/// </summary>
/// <remarks>
/// <para>Attempts report what became of them: counters on the endpoint's own record, no lock. An attempt that makes an
/// endpoint an outlier takes the service's lock, marks it, and the destination gets a new view without it; so picks know
/// nothing of ejections.</para>
/// <para>The limit (<see cref="EjectionLimit"/>) holds in each view: where endpoints leave, those whose ejection ends first
/// come back at once. While ejections are ignored because too few endpoints are healthy, the view says that it
/// panics.</para>
/// <para>Ejections are forgiven by the time an endpoint behaved, which is worked out at its next one. So there is a timer
/// only while an endpoint is ejected, and, where rates are compared, while there are requests.</para>
/// </remarks>
internal sealed class OutlierDetector
{
    private readonly DestinationState _destination;
    private readonly ResilienceContext _context;
    private readonly Dictionary<EndpointState, OutlierRecord> _records = new(ReferenceEqualityComparer.Instance);
    private volatile OutlierDetectionConfig _settings;
    private int _candidates;
    private ITimer? _return;
    private ITimer? _sweep;
    private int _isSweeping;
    private bool _isPanicking;
    private bool _isStopped;

    public OutlierDetector(DestinationState destination, ResilienceContext context, OutlierDetectionConfig settings)
    {
        _destination = destination;
        _context = context;
        _settings = settings;
    }

    public OutlierDetectionConfig Settings
    {
        get => _settings;
        set => _settings = value;
    }

    private TimeProvider Time => _context.Time;

    /// <summary>Notes what became of an attempt.</summary>
    public void Report(EndpointState endpoint, AttemptResult result)
    {
        var record = endpoint.Outlier;
        while (record is not null && record.Owner != this)
        {
            record = record.Next;
        }

        if (record is null)
        {
            return;
        }

        var settings = _settings;
        if (settings.Sweeps)
        {
            Interlocked.Increment(ref record.Requests);
            if (result != AttemptResult.Good)
            {
                Interlocked.Increment(ref record.Failures);
            }

            if (Volatile.Read(ref _isSweeping) == 0 && Interlocked.Exchange(ref _isSweeping, 1) == 0)
            {
                StartSweeping();
            }
        }

        if (result == AttemptResult.Good)
        {
            // Read first: of an endpoint that is well, nothing is written.
            if ((record.Errors | record.GatewayErrors | record.Silences) != 0)
            {
                record.Reset();
            }
        }
        else if (Count(record, result, settings) is { } reason)
        {
            Eject(record, settings, reason);
        }
    }

    /// <summary>Of the endpoints that a destination would use, those that are not ejected; all if that leaves too few.</summary>
    /// <param name="candidates">The endpoints that would be used.</param>
    /// <param name="selected">How many there are with those that their catalog calls unhealthy.</param>
    /// <param name="isCovered">
    /// Whether the endpoints that are left can take all the traffic however few they are, because of priorities; null: they
    /// cannot.
    /// </param>
    /// <param name="isPanicking">Whether ejections are ignored.</param>
    public List<EndpointState> Select_NeedsLock(
        List<EndpointState> candidates, int selected, Func<List<EndpointState>, bool>? isCovered, out bool isPanicking)
    {
        UpdateRecords(candidates);
        var settings = _settings;
        var ejected = Ejected();
        var surplus = ejected.Count - EjectionLimit.Of(candidates.Count, settings.MaxEjectionPercent);
        if (surplus > 0)
        {
            ejected.Sort(static (a, b) => a.EjectedUntil.CompareTo(b.EjectedUntil));
            for (var i = 0; i < surplus; i++)
            {
                Return(ejected[i]);
            }
        }

        var used = candidates.FindAll(endpoint => !_records[endpoint].IsEjected);
        isPanicking = used.Count < candidates.Count && used.Count * 100L < (long)settings.MinHealthPercent * selected
            && isCovered?.Invoke(used) != true;
        if (isPanicking != _isPanicking)
        {
            _isPanicking = isPanicking;
            _context.Events.Panic(_destination.Name, isPanicking, used.Count, selected, settings.MinHealthPercent);
        }

        return isPanicking ? candidates : used;
    }

    /// <summary>Forgets everything: the destination detects no outliers any more.</summary>
    public void Stop_NeedsLock()
    {
        _isStopped = true;
        _return?.Dispose();
        _sweep?.Dispose();
        foreach (var record in _records.Values)
        {
            Forget(record);
        }

        _records.Clear();
        if (_isPanicking)
        {
            _isPanicking = false;
            _context.Events.Panic(_destination.Name, false, _candidates, _candidates, 0);
        }
    }

    /// <summary>The endpoints that are ejected now, and for how much longer.</summary>
    public List<(EndpointState Endpoint, TimeSpan Left, int Ejections)> Describe()
    {
        lock (_destination.Service.Sync)
        {
            var now = Time.GetTimestamp();
            return [.. _records.Values.Where(static record => record.IsEjected)
                .Select(record => (record.Endpoint, Time.GetElapsedTime(now, record.EjectedUntil), record.Ejections))];
        }
    }

    /// <summary>Counts a bad attempt.</summary>
    /// <returns>Why the endpoint is an outlier now; null if it is none.</returns>
    private static string? Count(OutlierRecord record, AttemptResult result, OutlierDetectionConfig settings)
    {
        if (result == AttemptResult.NoResponse && settings.SplitExternalLocalOriginErrors)
        {
            return IsReached(Interlocked.Increment(ref record.Silences), settings.ConsecutiveLocalOriginFailures)
                ? "consecutive-local-origin-failures"
                : null;
        }

        Volatile.Write(ref record.Silences, 0);
        var errors = Interlocked.Increment(ref record.Errors);
        if (result == AttemptResult.ServerError)
        {
            Volatile.Write(ref record.GatewayErrors, 0);
        }
        else if (IsReached(Interlocked.Increment(ref record.GatewayErrors), settings.ConsecutiveGatewayErrors))
        {
            return "consecutive-gateway-errors";
        }

        return IsReached(errors, settings.Consecutive5xxErrors) ? "consecutive-5xx" : null;

        static bool IsReached(int count, int limit) => limit > 0 && count >= limit;
    }

    private void Eject(OutlierRecord record, OutlierDetectionConfig settings, string reason)
    {
        lock (_destination.Service.Sync)
        {
            // The next one that counts to the limit asks again, and not each one meanwhile.
            record.Reset();
            if (TryEject_NeedsLock(record, settings, reason))
            {
                _destination.Service.RenewView_NeedsLock(_destination);
            }
        }
    }

    private bool TryEject_NeedsLock(OutlierRecord record, OutlierDetectionConfig settings, string reason)
    {
        if (_isStopped || record.IsEjected || !record.IsCandidate)
        {
            return false;
        }

        if (Ejected().Count >= EjectionLimit.Of(_candidates, settings.MaxEjectionPercent))
        {
            _context.Events.NotEjected(_destination.Name, record.Endpoint.Id, reason, settings.MaxEjectionPercent, _candidates);
            return false;
        }

        var now = Time.GetTimestamp();
        if (record.Ejections > 0)
        {
            var forgiven = (long)(Time.GetElapsedTime(record.ReturnedAt, now) / settings.Interval);
            record.Ejections = (int)Math.Max(0, record.Ejections - forgiven);
        }

        record.Ejections++;
        var longest = Math.Max(settings.MaxEjectionTime.Ticks, settings.BaseEjectionTime.Ticks);
        var ticks = Math.Min((double)settings.BaseEjectionTime.Ticks * record.Ejections, longest)
            + (settings.MaxEjectionTimeJitter.Ticks * (settings.MaxEjectionTimeJitter > TimeSpan.Zero ? _context.Random.NextDouble() : 0));
        var time = TimeSpan.FromTicks((long)ticks);
        record.IsEjected = true;
        record.EjectedUntil = now + (long)(time.TotalSeconds * Time.TimestampFrequency);
        _context.Events.Ejected(_destination.Name, record.Endpoint.Id, reason, time, record.Ejections);
        WaitForReturn(now);
        return true;
    }

    private void Return(OutlierRecord record)
    {
        record.IsEjected = false;
        record.ReturnedAt = Time.GetTimestamp();
        record.Reset();
        _context.Events.Returned(_destination.Name, record.Endpoint.Id);
    }

    /// <summary>Sets the timer to the end of the next ejection; without one there is no timer.</summary>
    private void WaitForReturn(long now)
    {
        var next = long.MaxValue;
        foreach (var record in _records.Values)
        {
            if (record.IsEjected)
            {
                next = Math.Min(next, record.EjectedUntil);
            }
        }

        if (next == long.MaxValue)
        {
            _return?.Dispose();
            _return = null;
            return;
        }

        // Rounded up, or a timer that is exact would come a moment too early.
        var wait = TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, Time.GetElapsedTime(now, next).TotalMilliseconds)));
        _return ??= CreateTimer(static state => ((OutlierDetector)state!).ReturnDue());
        _return.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private void ReturnDue()
    {
        lock (_destination.Service.Sync)
        {
            if (_isStopped)
            {
                return;
            }

            var now = Time.GetTimestamp();
            var anyReturns = false;
            foreach (var record in _records.Values)
            {
                if (record.IsEjected && record.EjectedUntil <= now)
                {
                    Return(record);
                    anyReturns = true;
                }
            }

            WaitForReturn(now);
            if (anyReturns)
            {
                _destination.Service.RenewView_NeedsLock(_destination);
            }
        }
    }

    private void StartSweeping()
    {
        lock (_destination.Service.Sync)
        {
            if (!_isStopped)
            {
                _sweep ??= CreateTimer(static state => ((OutlierDetector)state!).Sweep());
                _sweep.Change(_settings.Interval, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Looks at the rates of the last interval.</summary>
    private void Sweep()
    {
        lock (_destination.Service.Sync)
        {
            if (_isStopped)
            {
                return;
            }

            var settings = _settings;
            var samples = new List<(OutlierRecord Record, int Requests, int Failures)>();
            var anyRequest = false;
            foreach (var record in _records.Values)
            {
                var requests = Interlocked.Exchange(ref record.Requests, 0);
                var failures = Math.Min(Interlocked.Exchange(ref record.Failures, 0), requests);
                anyRequest |= requests > 0;
                if (record is { IsCandidate: true, IsEjected: false })
                {
                    samples.Add((record, requests, failures));
                }
            }

            if (anyRequest && settings.Sweeps)
            {
                _sweep!.Change(settings.Interval, Timeout.InfiniteTimeSpan);
            }
            else
            {
                _sweep!.Dispose();
                _sweep = null;
                Volatile.Write(ref _isSweeping, 0);
            }

            if (EjectByRates(samples, settings))
            {
                _destination.Service.RenewView_NeedsLock(_destination);
            }
        }
    }

    private bool EjectByRates(List<(OutlierRecord Record, int Requests, int Failures)> samples, OutlierDetectionConfig settings)
    {
        var any = false;
        var compared = samples.FindAll(sample => sample.Requests >= settings.SuccessRateRequestVolume);
        if (settings.SuccessRateStdevFactor > 0 && compared.Count >= settings.SuccessRateMinimumHosts)
        {
            var rates = compared.ConvertAll(static sample => 100.0 * (sample.Requests - sample.Failures) / sample.Requests);
            var mean = rates.Average();
            var deviation = Math.Sqrt(rates.Average(rate => (rate - mean) * (rate - mean)));
            var lowest = mean - (deviation * settings.SuccessRateStdevFactor / 1000);
            for (var i = 0; i < rates.Count; i++)
            {
                any |= rates[i] < lowest && TryEject_NeedsLock(compared[i].Record, settings, "success-rate");
            }
        }

        var counted = samples.FindAll(sample => sample.Requests >= settings.FailurePercentageRequestVolume);
        if (settings.FailurePercentageThreshold > 0 && counted.Count >= settings.FailurePercentageMinimumHosts)
        {
            foreach (var (record, requests, failures) in counted)
            {
                any |= failures * 100L >= (long)settings.FailurePercentageThreshold * requests
                    && TryEject_NeedsLock(record, settings, "failure-percentage");
            }
        }

        return any;
    }

    private List<OutlierRecord> Ejected()
    {
        var ejected = new List<OutlierRecord>();
        foreach (var record in _records.Values)
        {
            if (record is { IsCandidate: true, IsEjected: true })
            {
                ejected.Add(record);
            }
        }

        return ejected;
    }

    /// <summary>Gives newcomers a record, and forgets those that the service has no more.</summary>
    private void UpdateRecords(List<EndpointState> candidates)
    {
        foreach (var record in _records.Values)
        {
            record.IsCandidate = false;
        }

        foreach (var endpoint in candidates)
        {
            if (!_records.TryGetValue(endpoint, out var record))
            {
                _records[endpoint] = record = new OutlierRecord(this, endpoint, endpoint.Outlier);
                endpoint.Outlier = record;
            }

            record.IsCandidate = true;
        }

        _candidates = candidates.Count;
        if (_records.Count > candidates.Count)
        {
            var present = new HashSet<EndpointState>(_destination.Service.Endpoints, ReferenceEqualityComparer.Instance);
            foreach (var (endpoint, record) in _records)
            {
                if (!present.Contains(endpoint))
                {
                    Forget(record);
                    _records.Remove(endpoint);
                }
            }
        }
    }

    private void Forget(OutlierRecord record)
    {
        if (record.IsEjected)
        {
            Return(record);
        }

        var endpoint = record.Endpoint;
        if (endpoint.Outlier == record)
        {
            endpoint.Outlier = record.Next;
            return;
        }

        for (var other = endpoint.Outlier; other is not null; other = other.Next)
        {
            if (other.Next == record)
            {
                other.Next = record.Next;
                return;
            }
        }
    }

    private ITimer CreateTimer(TimerCallback callback)
    {
        using (ExecutionContext.SuppressFlow())
        {
            return Time.CreateTimer(callback, this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
