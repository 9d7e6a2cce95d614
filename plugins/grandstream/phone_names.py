"""What the GRP series calls the parameters that other series number; those of an account without their beginning."""

CODES = {
    "P194": "provisioning.auto.mode",
    "P193": "provisioning.auto.minute",
    "P212": "provisioning.config.protocol",
    "P237": "provisioning.config.serverPath",
    "P145": "provisioning.override.dhcp.allowCommonOptions",
    "P64": "dateTime.timezone",
    "P271": "enable",
    "P47": "sip.server.1.address",
    "P2312": "sip.server.2.address",
    "P35": "sip.userid",
    "P36": "sip.subscriber.userid",
    "P34": "sip.subscriber.password",
    "P3": "sip.subscriber.name",
    "P130": "sip.transport",
}
