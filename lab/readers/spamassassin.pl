# SpamAssassin's AuthRes plugin as a reader: a JSON string with a field's value in, what it made of it out, line by line.
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

$| = 1;
my @results = qw(pass fail softfail neutral none temperror permerror policy);
my $config = "loadplugin Mail::SpamAssassin::Plugin::Check\n"
    . "loadplugin Mail::SpamAssassin::Plugin::AuthRes\n"
    . "util_rb_tld example org\n"
    . "use_bayes 0\nauthres_networks all\nauthres_trusted_authserv mx.example.org\n";
for my $method (qw(spf dmarc)) {
    $config .= "header \U${method}_$_\E eval:check_authres_result('$method', '$_')\n" for @results;
}
my $assassin = Mail::SpamAssassin->new({
    config_text => $config, local_tests_only => 1, dont_copy_prefs => 1, require_rules => 0,
});
my $json = JSON::PP->new->allow_nonref;
while (my $line = <STDIN>) {
    my $message = $assassin->parse("Authentication-Results:" . $json->decode($line) . "\nFrom: <a\@b.example>\n\nHello\n");
    my $status = $assassin->check($message);
    my @hit = split /,/, $status->get_names_of_tests_hit();
    print $json->encode({ parsed => $status->{authres_parsed} // {}, hit => \@hit }), "\n";
    $status->finish();
    $message->finish();
}
